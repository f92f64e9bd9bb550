/** The dependencies of a plan without repeats, and the time to move each result. */
import { type Links, sortTopologically } from '../../dag/compile/links.ts';

/** Edges in one direction, as compressed sparse rows: those of function `i` are `ends[offset[i] .. offset[i + 1])`. */
export interface Edges {
  readonly offset: Int32Array;
  readonly ends: Int32Array;
  /** ms to move the result of an edge to another node; null when no move takes time. */
  readonly move: Float64Array | null;
}

export interface Precedence {
  readonly size: number;
  readonly before: Edges;
  readonly after: Edges;
  /** A topological order. */
  readonly order: Int32Array;
}

/** @param moveOf ms to move the result of a function to another node; undefined when no move takes time */
export function precedenceOf(links: Links, moveOf: ((i: number) => number) | undefined): Precedence {
  const { size } = links;
  const offset = new Int32Array(size + 1);
  let ends = new Int32Array(links.deps.length);
  const last = new Int32Array(size).fill(-1); // by function: its last recorded dependent
  const waiters = new Int32Array(size + 1);
  let count = 0;
  for (let i = 0; i < size; i++) {
    for (let k = links.depOffset[i]!; k < links.depOffset[i + 1]!; k++) {
      const dep = links.deps[k]!;
      if (dep < 0 || last[dep] === i) continue;
      last[dep] = i;
      ends[count++] = dep;
      waiters[dep + 1]!++;
    }
    offset[i + 1] = count;
  }
  ends = ends.slice(0, count);
  const before: Edges = { offset, ends, move: moveOf === undefined ? null : Float64Array.from(ends, moveOf) };
  const after = reversed(before, waiters);
  const order = sortTopologically({ size, depOffset: offset, deps: ends, outOffset: after.offset, outs: after.ends });
  return { size, before, after, order };
}

function reversed({ offset, ends, move }: Edges, outOffset: Int32Array): Edges {
  const size = offset.length - 1;
  for (let i = 0; i < size; i++) outOffset[i + 1]! += outOffset[i]!;
  const next = outOffset.slice(0, size);
  const outs = new Int32Array(ends.length);
  const outMove = move === null ? null : new Float64Array(ends.length);
  for (let i = 0; i < size; i++) {
    for (let k = offset[i]!; k < offset[i + 1]!; k++) {
      const at = next[ends[k]!]!++;
      outs[at] = i;
      if (outMove !== null) outMove[at] = move![k]!;
    }
  }
  return { offset: outOffset, ends: outs, move: outMove };
}
