/** Functions that may have taken effect, and must not do so again. Pure. */
import { type CompiledDag, Flag } from '../dag/compile/compiled-dag.ts';
import type { LostGraph } from './discarding.ts';
import type { RunHistory } from './replay.ts';

export interface Doubt {
  readonly function: number;
  /** The node on which it had started. Empty when it did not run. */
  readonly node: string;
  /** Whether it had ended, and only its result is lost. */
  readonly hasEnded: boolean;
  /** Whether it is idempotent itself, and a function of its graph is not. Default false. */
  readonly isInside?: boolean;
}

/**
 * A function that is not idempotent and would run again if the run were resumed.
 *
 * @param done the functions that do not run again
 * @returns undefined when there is none
 */
export function doubtOf(
  { inDoubt, finished }: RunHistory,
  plan: CompiledDag,
  done: ReadonlySet<number>,
): Doubt | undefined {
  for (const [i, node] of inDoubt) return { function: i, node, hasEnded: false };
  for (const [i, { node }] of finished)
    if (!done.has(i) && (plan.flags[i]! & Flag.once) !== 0) return { function: i, node, hasEnded: true };
  return undefined;
}

/** A function whose graph is lost, and that must not run again: it is not idempotent, or something inside is not. */
export function doubtOfLost({ flags }: CompiledDag, lost: readonly LostGraph[]): Doubt | undefined {
  for (const { owner, node } of lost) {
    if ((flags[owner]! & Flag.once) !== 0) return { function: owner, node: '', hasEnded: true };
    if (node !== undefined) return { function: owner, node, hasEnded: false, isInside: true };
  }
  return undefined;
}
