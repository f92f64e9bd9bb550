/**
 * Expands an `Argument` into a function that serializes beside the producer and one that deserializes beside the
 * consumer.
 *
 * ```
 *   producer ──► serialize:producer->consumer:0 ──► deserialize:producer->consumer:0 ──► consumer
 *   (its node)   (the producer's node)              (the consumer's node)                (its node)
 * ```
 */
import { checkLiterals, dependenciesOf } from './validation/check.ts';
import { defaultTraits, type Entry, none } from './compile/entry.ts';
import { toReference } from './code.ts';
import type { Part, Transform } from './types.ts';

/**
 * Expands a function that has `Argument`s: returns the transforms, then the function itself. Each of its `Argument`s is
 * replaced by its last transform. A side that is not set adds no function.
 *
 * @throws `NOT_SERIALIZABLE` when a value in a transform's `extraArgs` cannot travel
 */
export function expand(entry: Entry): Entry[] {
  const made: Entry[] = [];
  const { written, when } = entry.traits;
  const args = written!.map((arg, position) => {
    if (typeof arg === 'string' || !('id' in arg)) return arg;
    let source = arg.id;
    for (const side of ['serialize', 'deserialize'] as const) {
      const transform = arg[side];
      if (transform === undefined) continue;
      const id = `${side}:${arg.id}->${entry.id}:${position}`;
      made.push(toTransform(id, side, transform, source, arg.id, entry));
      source = id;
    }
    return source;
  });
  return [...made, { ...entry, args: dependenciesOf(args, when) }];
}

function toTransform(
  id: string,
  side: 'serialize' | 'deserialize',
  transform: Transform,
  source: string,
  producer: string,
  consumer: Entry,
): Entry {
  const extraArgs = transform.extraArgs ?? none;
  checkLiterals(consumer.id, `args: ${side}.extraArgs`, extraArgs);
  const layout: Part[] = [
    { arg: 0 },
    { nodeOf: producer },
    { nodeOf: consumer.id },
    ...extraArgs.map((value) => ({ value })),
  ];
  return {
    id,
    args: [source],
    code: toReference(transform.code)!,
    extraArgs: none,
    traits: {
      ...defaultTraits,
      layout,
      node: { collocatedWith: side === 'serialize' ? producer : consumer.id },
      transforms: { side, producer, consumer: consumer.id },
    },
  };
}
