/** Describes one function for display: where its code is, and its arguments. */
import { cut } from '../core/cut.ts';
import { inspect } from 'node:util';
import { nameOf } from '../dag/code.ts';
import type { CallPart, CompiledDag } from '../dag/compile/compiled-dag.ts';
import type { FunctionDetail } from '../events/activity.ts';
import { bytesOf, Payload } from '../workers/store/payload.ts';
import type { RunResults } from '../workers/store/run-results.ts';

type Arg = FunctionDetail['args'][number];

// Limits for display; longer texts and lists are cut.
const maxChars = 299; // and an ellipsis
const maxArgs = 100;

export function detailOf(plan: CompiledDag, i: number, results: RunResults): FunctionDetail {
  const { entries, codes, code, calls } = plan;
  const { id, args, extraArgs } = entries[i]!;
  const reference = codes[code[i]!]!;
  const parts = calls.get(i);
  const given =
    parts === undefined
      ? [...args.map((result): Arg => ({ result })), ...extraArgs.map(toLiteral)]
      : parts.flatMap((part) => toArgs(plan, part));
  const hidden = given.length - maxArgs;
  return {
    functionId: id,
    name: nameOf(reference),
    module: 'source' in reference ? null : reference.module,
    args: hidden > 0 ? [...given.slice(0, maxArgs), { literal: `… and ${hidden} more` }] : given,
    bytes: bytes(results, i),
  };
}

function bytes(results: RunResults, i: number): number | null {
  if (!results.exists(i)) return null;
  const held = results.held(i);
  return held instanceof Payload ? bytesOf(held.data) : 0;
}

function toArgs(plan: CompiledDag, part: CallPart): Arg[] {
  switch (part.kind) {
    case 'value':
      return [toLiteral(part.value)];
    case 'result':
      return [{ result: plan.entries[part.of]!.id }];
    case 'optional':
      return [{ result: plan.entries[part.of]!.id }];
    case 'anyOf':
      return part.of.map((of) => ({ result: plan.entries[of]!.id }));
    case 'resultOf':
      return [{ literal: `${part.id} of run ${part.runId}` }];
    case 'list':
      return part.parts.flatMap((each) => toArgs(plan, each));
    case 'call':
      return [{ literal: toText(plan, part) }];
    case 'node':
      return [{ literal: part.of < 0 ? 'its node' : `the node of ${plan.entries[part.of]!.id}` }];
  }
}

/** The call as it would be written in source code. */
function toText(plan: CompiledDag, part: CallPart): string {
  if (part.kind === 'call')
    return cut(
      `${nameOf(plan.codes[part.code]!)}(${part.parts.map((each) => toText(plan, each)).join(', ')})`,
      maxChars,
    );
  return toArgs(plan, part)
    .map((arg) => ('result' in arg ? arg.result : arg.literal))
    .join(', ');
}

function toLiteral(value: unknown): Arg {
  try {
    return {
      literal: cut(
        inspect(value, {
          depth: 2,
          maxArrayLength: 10,
          maxStringLength: maxChars,
          breakLength: Infinity,
          customInspect: false,
        }),
        maxChars,
      ),
    };
  } catch {
    return { literal: 'a value that cannot be shown' };
  }
}
