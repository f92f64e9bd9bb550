/** The answer of a function that is a graph, as a worker recognizes it. A thread that never sees one loads no more than this. */
import { isPlainObject } from '../core/copy.ts';
import { HandoffError } from '../core/errors.ts';
import { type OutputShape, slotsOf } from '../core/output-shape.ts';
import { show } from '../core/show.ts';
import { basicFields, none } from './compile/entry.ts';
import type { DagJson } from './dag.ts';

/** The graph, as it leaves its thread. */
export interface GraphAnswer {
  readonly dag: DagJson;
  /** The ids of the functions whose results make up the result, in its shape. */
  readonly outputs: OutputShape<string>;
}

// Another copy of this library may have made it.
export const answer = Symbol.for('handoffjs.expansion');

/** The graph of an answer; undefined for any other value. */
export function graphOf(value: unknown): GraphAnswer | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  try {
    return (value as { readonly [answer]?: GraphAnswer })[answer];
  } catch {
    return undefined; // it cannot be read at all, which shows when it is encoded
  }
}

// In bytes: 8 for each value, and 1 for each character.
const maxPlainSize = 4096;
const plainTypes = new Set(['string', 'number', 'boolean']);

/**
 * Whether a graph is small, and all its values are primitive: then structured clone does, and nothing in it has to be
 * looked at.
 */
export function isPlainGraph({ dag: { functions } }: GraphAnswer): boolean {
  let left = maxPlainSize;
  const isPlain = (value: unknown): boolean => {
    left -= typeof value === 'string' ? 8 + value.length : 8;
    return left >= 0 && (value === null || plainTypes.has(typeof value));
  };
  return functions.every((spec) => {
    for (const field in spec) if (!basicFields.has(field)) return false;
    const { id, code, args = none, extraArgs = none } = spec;
    return isPlain(id) && code !== null && 'module' in code && args.every(isPlain) && extraArgs.every(isPlain);
  });
}

/** Checks the outputs of a graph that came from a thread. @throws `INVALID_FUNCTION` when they are malformed */
export function checkOutputs({ outputs }: GraphAnswer): void {
  const isKnown = typeof outputs === 'string' || Array.isArray(outputs) || isPlainObject(outputs);
  const isSound = (slot: unknown): boolean =>
    typeof slot === 'string' ||
    (isPlainObject(slot) && Array.isArray(slot['anyOf']) && slot['anyOf'].every((id) => typeof id === 'string'));
  if (isKnown && slotsOf(outputs).every(isSound)) return;
  throw new HandoffError(
    'INVALID_FUNCTION',
    `The outputs of a graph must be ids of its functions, got ${show(outputs)}.`,
  );
}
