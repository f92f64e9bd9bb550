/** What of the recorded growth of a run is of no use any more when the run is resumed. Pure. */
import { type Block, without } from './blocks.ts';
import type { Discarded } from './record.ts';
import { discard, type RunHistory } from './replay.ts';

/** The history of a run without what was discarded. */
export interface Useful {
  readonly history: RunHistory;
  /** To be recorded, in this order, before the run goes on. */
  readonly discarded: readonly Discarded[];
}

/** The result of a person, or the error of an element that settles, counts more than the graph of a function. */
export function withoutSuperseded(history: RunHistory): Useful {
  const owners = history.grown.map(({ owner }) => owner);
  return discardOf(
    { history, discarded: [] },
    owners.filter((owner) => history.finished.has(owner) || history.again.has(owner)),
  );
}

/** A function whose graph is lost. */
export interface LostGraph {
  /** The number of the function that had answered with it, as it is now. It runs again. */
  readonly owner: number;
  /** Where a function inside, which is not idempotent, may have taken effect; undefined for nowhere. */
  readonly node: string | undefined;
}

/** @param isLost whether the graph of a block cannot be read */
export function withoutLost(
  { history, discarded }: Useful,
  isLost: (block: Block) => boolean,
): Useful & { readonly lost: readonly LostGraph[] } {
  const owners = history.grown.filter(isLost).map(({ owner }) => owner);
  const { numberOf } = without(history.grown, new Set(owners));
  const lost: LostGraph[] = [];
  for (const owner of owners) {
    const now = numberOf(owner);
    if (now !== undefined) lost.push({ owner: now, node: nodeOfEffect(history, owner) });
  }
  return { ...discardOf({ history, discarded }, owners), lost };
}

/** The node on which a function of the graph of `owner`, or of what that has grown by, may have taken effect. */
function nodeOfEffect({ grown, inDoubt, effects }: RunHistory, owner: number): string | undefined {
  const { numberOf } = without(grown, new Set([owner]));
  for (const [i, node] of [...inDoubt, ...effects]) if (numberOf(i) === undefined) return node;
  return undefined;
}

function discardOf({ history, discarded }: Useful, functions: readonly number[]): Useful {
  if (functions.length === 0) return { history, discarded };
  return {
    history: discard(history, new Set(functions)),
    discarded: [...discarded, { type: 'discarded', functions }],
  };
}
