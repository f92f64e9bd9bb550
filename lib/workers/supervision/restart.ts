/** PURE: what a supervisor does when a child has ended. Follows OTP's `supervisor`. */
import type { Exit, Restart, Strategy } from './child.ts';

/** The restart limit: after more than `maxRestarts` within `maxSeconds`, the supervisor itself ends with an error. */
export interface Intensity {
  readonly maxRestarts: number;
  readonly maxSeconds: number;
}

export const defaultIntensity: Intensity = { maxRestarts: 3, maxSeconds: 5 };

export type Decision =
  /** The child is not restarted. */
  | { readonly action: 'remove' }
  /** These children, including the one that ended, are stopped in reverse order and started again in order. */
  | { readonly action: 'restart'; readonly ids: readonly string[] }
  /** Too many restarts: the supervisor stops all children and ends with an error. */
  | { readonly action: 'escalate' };

/**
 * Decides what follows from one exit.
 *
 * @param children ids in the order they were started
 * @param history times, in ms, of the restarts that counted
 * @param now ms, on the clock of `history`
 * @returns the decision, and the history without entries older than `maxSeconds`
 */
export function decide(
  strategy: Strategy,
  intensity: Intensity,
  children: readonly string[],
  history: readonly number[],
  child: { readonly id: string; readonly restart: Restart },
  exit: Exit,
  now: number,
): { readonly decision: Decision; readonly history: readonly number[] } {
  const recent = history.filter((at) => now - at <= intensity.maxSeconds * 1000);
  const again = child.restart === 'permanent' || (child.restart === 'transient' && exit.reason === 'error');
  if (!again) return { decision: { action: 'remove' }, history: recent };
  const counted = exit.excused === true ? recent : [...recent, now];
  if (counted.length > intensity.maxRestarts) return { decision: { action: 'escalate' }, history: counted };
  return { decision: { action: 'restart', ids: affected(strategy, children, child.id) }, history: counted };
}

function affected(strategy: Strategy, children: readonly string[], id: string): readonly string[] {
  switch (strategy) {
    case 'one-for-one':
      return [id];
    case 'one-for-all':
      return children;
    case 'rest-for-one':
      return children.slice(children.indexOf(id));
  }
}
