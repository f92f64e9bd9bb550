/** The longest path to and from each function. */
import type { Precedence } from './precedence.ts';
import type { Problem } from './problem.ts';

/**
 * By function: ms of the longest path from its start to the end of the graph. Each edge on it costs `moves` times the
 * time of its transfer (upward rank; Topcuoglu, Hariri and Wu 2002).
 */
export function tails({ size, order, after }: Precedence, duration: Float64Array, moves = 0): Float64Array {
  const tail = new Float64Array(size);
  const move = moves === 0 ? null : after.move;
  for (let at = size - 1; at >= 0; at--) {
    const i = order[at]!;
    let longest = 0;
    for (let k = after.offset[i]!; k < after.offset[i + 1]!; k++) {
      const way = tail[after.ends[k]!]! + (move === null ? 0 : move[k]! * moves);
      if (way > longest) longest = way;
    }
    tail[i] = longest + duration[i]!;
  }
  return tail;
}

/** By function: ms of the longest path to its start. */
export function heads({ size, order, before }: Precedence, duration: Float64Array, moves = 0): Float64Array {
  const head = new Float64Array(size);
  const move = moves === 0 ? null : before.move;
  for (const i of order) {
    let longest = 0;
    for (let k = before.offset[i]!; k < before.offset[i + 1]!; k++) {
      const dep = before.ends[k]!;
      const way = head[dep]! + duration[dep]! + (move === null ? 0 : move[k]! * moves);
      if (way > longest) longest = way;
    }
    head[i] = longest;
  }
  return head;
}

/** By function: ms on the fastest of its nodes. */
export function shortest({ size, duration, speed, placesOf, eligible }: Problem): Float64Array {
  const fastest = eligible.map((nodes) => nodes.reduce((most, node) => Math.max(most, speed[node]!), 0));
  return Float64Array.from({ length: size }, (_, i) => duration[i]! / fastest[placesOf[i]!]!);
}
