/** Which functions must share a node: chains of `collocatedWith`, each followed to its root. */
import type { DagError } from '../errors.ts';
import { show } from './check.ts';
import type { DagParts } from './entry.ts';
import { dagError } from './dag-error.ts';
import { didYouMean, nearest } from './suggest.ts';

export interface Collocation {
  /** By position of a function: that of the function at the end of its chain; itself when it is collocated with none. */
  readonly root: Int32Array;
  /** Whether any function is collocated. */
  readonly any: boolean;
  readonly error: DagError | undefined;
}

/**
 * Follows every chain, each function once.
 *
 * The error, if any, is `INVALID_COLLOCATION`: the target is missing, inline, an input, or the chain is a circle. A transform of an
 * `Argument` whose producer or consumer has no node of its own is simply free.
 */
export function collocate({ entries, index }: DagParts): Collocation {
  const root = new Int32Array(entries.length);
  const settled = new Uint8Array(entries.length);
  let any = false;
  for (let start = 0; start < entries.length; start++) {
    const path: number[] = [];
    let at = start;
    while (settled[at] === 0) {
      const { id, traits } = entries[at]!;
      const { node } = traits;
      settled[at] = 2; // on the path
      path.push(at);
      if (typeof node !== 'object') break;
      const target = index.get(node.collocatedWith) ?? -1;
      const type = entries[target]?.traits.type;
      if (type !== 'regular' && traits.transforms !== undefined) break;
      const wrong = target < 0 ? `, which the DAG does not have.${didYouMean(nearest(node.collocatedWith, index.keys()))}`
        : type !== 'regular' ? `, which is ${type} and has no node of its own.`
        : settled[target] === 2 ? `, in a circle: ${[...path.slice(path.indexOf(target)), target].map((i) => entries[i]!.id).join(' -> ')}.`
        : undefined;
      if (wrong !== undefined) {
        const error = dagError('INVALID_COLLOCATION', `Function ${show(id)} is collocated with ${show(node.collocatedWith)}${wrong}`, { functionId: id });
        return { root, any: true, error };
      }
      any = true;
      at = target;
    }
    const end = settled[at] === 1 ? root[at]! : at;
    for (const passed of path) {
      root[passed] = end;
      settled[passed] = 1;
    }
  }
  return { root, any, error: undefined };
}
