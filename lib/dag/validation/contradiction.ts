/** Finds functions that can never run, because they need both branches of a condition. */
import type { DagError } from '../../core/errors.ts';
import { show } from '../../core/show.ts';
import { dagError } from '../dag-error.ts';
import type { DagParts, Entry } from '../compile/entry.ts';
import type { Links } from '../compile/links.ts';

/** By condition: whether its result must be falsy. */
type Needs = ReadonlyMap<string, boolean>;

const nothing: Needs = new Map();

/**
 * The first function, in topological order, that needs opposite results of one condition: by its own condition and
 * those of the functions that it cannot do without. O(arguments × conditions), and O(1) without conditions.
 */
export function findContradiction(parts: DagParts, links: Links, order: Int32Array): DagError | undefined {
  const { entries, traited } = parts;
  if (!traited.some((i) => entries[i]!.traits.when !== undefined)) return undefined;
  const needs = Array.from({ length: links.size }, (): Needs => nothing);
  for (const i of order) {
    const entry = entries[i]!;
    const strict = strictOf(entry);
    let own: Map<string, boolean> | undefined;
    for (let k = links.depOffset[i]!; k < links.depOffset[i + 1]!; k++) {
      if (!strict(k - links.depOffset[i]!)) continue;
      for (const [condition, not] of needs[links.deps[k]!]!) {
        if (needs[i] === nothing) {
          needs[i] = needs[links.deps[k]!]!; // most functions have the needs of one dependency
          break;
        }
        own ??= new Map(needs[i]);
        if ((own.get(condition) ?? not) !== not) return contradiction(entry, condition);
        own.set(condition, not);
      }
    }
    const { when } = entry.traits;
    if (when !== undefined) {
      own ??= new Map(needs[i]);
      const not = when.not === true;
      if ((own.get(when.id) ?? not) !== not) return contradiction(entry, when.id);
      own.set(when.id, not);
    }
    if (own !== undefined) needs[i] = own;
  }
  return undefined;
}

/** Whether the function cannot do without the dependency at a position among its `args`. */
function strictOf({ traits: { written } }: Entry): (position: number) => boolean {
  if (written === undefined) return () => true;
  const lenient = new Set<number>();
  let next = 0;
  for (const arg of written) {
    if (typeof arg === 'string' || 'id' in arg) next++;
    else if ('optional' in arg) lenient.add(next++);
    else if ('anyOf' in arg) for (const _ of arg.anyOf) lenient.add(next++);
  }
  return (position) => !lenient.has(position);
}

function contradiction({ id }: Entry, condition: string): DagError {
  const text =
    `Function ${show(id)} can never run: it needs a function that runs when ${show(condition)} is truthy, ` +
    'and one that runs when it is falsy. Take them by { anyOf: [...] } (choose) or { optional: id } (optional).';
  return dagError('INVALID_FUNCTION', text, { functionId: id });
}
