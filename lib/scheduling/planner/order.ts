/** Lists in which each function comes after its dependencies. Schedules are decoded from them. */
import FlatQueue from 'flatqueue';
import type { Edges, Precedence } from './precedence.ts';

/** A stable sort of `list` by rising key: a merge sort, for keys that are almost sorted. */
export function sortBy(list: Int32Array, key: Float64Array, spare: Int32Array): void {
  const size = list.length;
  const run = 8;
  for (let from = 0; from < size; from += run) {
    const to = Math.min(size, from + run);
    for (let at = from + 1; at < to; at++) {
      const moved = list[at]!;
      let k = at;
      for (; k > from && key[list[k - 1]!]! > key[moved]!; k--) list[k] = list[k - 1]!;
      list[k] = moved;
    }
  }
  let [source, target] = [list, spare];
  for (let width = run; width < size; width *= 2) {
    for (let from = 0; from < size; from += 2 * width) {
      const middle = Math.min(size, from + width);
      const end = Math.min(size, middle + width);
      let [left, right, at] = [from, middle, from];
      while (left < middle && right < end)
        target[at++] = key[source[left]!]! <= key[source[right]!]! ? source[left++]! : source[right++]!;
      while (left < middle) target[at++] = source[left++]!;
      while (right < end) target[at++] = source[right++]!;
    }
    [source, target] = [target, source];
  }
  if (source !== list) list.set(source);
}

/** The list that repeatedly takes the function with the smallest key whose predecessors are all taken. */
export function listBy({ size }: Precedence, before: Edges, after: Edges, key: Float64Array): Int32Array {
  const missing = new Int32Array(size);
  const ready = new FlatQueue<number>();
  for (let i = 0; i < size; i++)
    if ((missing[i] = before.offset[i + 1]! - before.offset[i]!) === 0) ready.push(i, key[i]!);
  const list = new Int32Array(size);
  for (let at = 0; at < size; at++) {
    const i = ready.pop()!;
    list[at] = i;
    for (let k = after.offset[i]!; k < after.offset[i + 1]!; k++) {
      const end = after.ends[k]!;
      if (--missing[end]! === 0) ready.push(end, key[end]!);
    }
  }
  return list;
}
