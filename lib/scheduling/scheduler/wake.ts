/** A turn that comes by itself, when nothing else happens before. */
import type { Command } from './commands.ts';
import { nextId, type State } from './state.ts';

// Clocks do not tell less apart, in ms.
const moment = 1e-6;

/**
 * Has a turn come after some ms, even if nothing happens until then. Of several that are wanted the first counts: it looks at the others.
 */
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
