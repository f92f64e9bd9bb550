/** Converts urgency to sort keys. */
import type { Random } from '../../core/random.ts';
import type { Problem } from './problem.ts';

/**
 * Fills in keys, the smallest first: by the user's priorities, if any, then by urgency.
 *
 * @param noise the random share of the urgency, 0 to 1
 */
export function fillKeys(
  { priority, order }: Problem,
  urgency: Float64Array,
  key: Float64Array,
  noise: number,
  dice?: Random,
): void {
  for (let i = 0; i < key.length; i++) key[i] = -urgency[i]! * (noise === 0 ? 1 : 1 - noise * dice!.next());
  if (priority === null) return;
  const sorted = order.slice().sort((a, b) => priority[b]! - priority[a]! || key[a]! - key[b]! || a - b);
  for (let at = 0; at < sorted.length; at++) key[sorted[at]!] = at;
}
