/** Passes that happen by themselves at a later time. */
import type { Command } from '../commands.ts';
import { nextId, type State } from '../state.ts';

// The resolution of clocks, in ms.
const moment = 1e-6;

/** Schedules a pass in `ms`. Only the earliest wake-up is kept, because a pass re-evaluates everything. */
export function wakeAfter(state: State, now: number, ms: number, out: Command[]): void {
  const { wake, timers } = state;
  const due = now + ms;
  if (wake.timer >= 0) {
    if (wake.due <= due + moment) return;
    timers.delete(wake.timer);
    out.push({ type: 'ClearTimer', timer: wake.timer });
  }
  wake.timer = nextId(state);
  wake.due = due;
  timers.set(wake.timer, { kind: 'rebalance' });
  out.push({ type: 'SetTimer', timer: wake.timer, ms });
}
