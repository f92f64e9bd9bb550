/** Which functions must share a node: chains of `collocatedWith`, each followed to its root. */
import type { DagError } from '../../core/errors.ts';
import { show } from '../../core/show.ts';
import type { DagParts } from '../compile/entry.ts';
import { dagError } from '../dag-error.ts';
import { didYouMean, nearest } from '../../core/suggest.ts';

export interface Collocation {
  /** By position of a collocated function: the position of the last function of its chain. */
  readonly root: ReadonlyMap<number, number>;
  readonly error: DagError | undefined;
}

/**
 * Follows every chain of `collocatedWith`. Visits each function once.
 *
 * The error, if any, is `INVALID_COLLOCATION`: the target is missing, inline or an input, or the chain is a cycle. A
 * transform of an `Argument` may run anywhere if its producer or consumer has no node of its own.
 */
export function collocate({ entries, index, traited }: DagParts): Collocation {
  const root = new Map<number, number>();
  for (const start of traited) {
    const path = new Set<number>();
    let at = start;
    while (!root.has(at)) {
      const { id, traits } = entries[at]!;
      const { node } = traits;
      if (typeof node !== 'object') break;
      const target = index.get(node.collocatedWith) ?? -1;
      const type = entries[target]?.traits.type;
      if (type !== 'regular' && traits.transforms !== undefined) break;
      path.add(at);
      const wrong =
        target < 0
          ? `, which is not in the DAG.${didYouMean(nearest(node.collocatedWith, index.keys()))}`
          : type !== 'regular'
            ? `, which is ${type} and has no node of its own.`
            : path.has(target)
              ? `, in a circle: ${circle([...path], target)
                  .map((i) => entries[i]!.id)
                  .join(' -> ')}.`
              : undefined;
      if (wrong !== undefined) {
        const error = dagError(
          'INVALID_COLLOCATION',
          `Function ${show(id)} is collocated with ${show(node.collocatedWith)}${wrong}`,
          { functionId: id },
        );
        return { root, error };
      }
      at = target;
    }
    const end = root.get(at) ?? at;
    for (const passed of path) root.set(passed, end);
  }
  return { root, error: undefined };
}

function circle(path: readonly number[], from: number): number[] {
  return [...path.slice(path.indexOf(from)), from];
}
