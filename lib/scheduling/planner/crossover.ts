/** Derives lists from other lists. Every function stays after its dependencies, because it does so in the originals. */
import type { Random } from '../../core/random.ts';
import type { Edges } from './precedence.ts';

/** A list with one stretch in the order of another: two-point crossover of activity lists (Hartmann 1998). */
export function twoPoint(
  outer: Int32Array,
  inner: Int32Array,
  from: number,
  to: number,
  into: Int32Array,
  taken: Uint8Array,
): void {
  taken.fill(0);
  let at = 0;
  for (; at < from; at++) taken[(into[at] = outer[at]!)] = 1;
  for (let k = 0; at < to; k++) {
    const i = inner[k]!;
    if (taken[i] === 1) continue;
    taken[i] = 1;
    into[at++] = i;
  }
  for (let k = from; at < outer.length; k++) if (taken[outer[k]!] === 0) into[at++] = outer[k]!;
}

/** Swaps neighbours with a given probability. */
export function mutate(list: Int32Array, rate: number, { offset, ends }: Edges, dice: Random): void {
  for (let at = 0; at + 1 < list.length; at++) {
    if (dice.next() >= rate) continue;
    const [left, right] = [list[at]!, list[at + 1]!];
    let waits = false;
    for (let k = offset[right]!; k < offset[right + 1]!; k++) if (ends[k] === left) waits = true;
    if (waits) continue;
    list[at] = right;
    list[at + 1] = left;
  }
}
