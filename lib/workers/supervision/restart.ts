/** PURE: what a supervisor does about a child that ended. As in OTP's `supervisor`. */
import type { Exit, Restart, Strategy } from './child.ts';

/** No more restarts than this in that time; one more, and the supervisor itself gives up. */
export interface Intensity {
  readonly maxRestarts: number;
  readonly maxSeconds: number;
}

export const defaultIntensity: Intensity = { maxRestarts: 3, maxSeconds: 5 };

export type Decision =
  /** Nobody is started again. */
  | { readonly action: 'remove' }
  /** These are stopped, last first, and started again, first first; the one that ended is among them. */
  | { readonly action: 'restart'; readonly ids: readonly string[] }
  /** Too many restarts: the supervisor stops all children and ends with an error. */
  | { readonly action: 'escalate' };

/**
 * Decides about one exit.
 *
 * @param children ids in the order they were started
 * @param history times, in ms, of restarts that counted; those too old are dropped from what is returned
 * @param now ms, on the clock of `history`
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
