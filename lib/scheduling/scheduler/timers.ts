/** Timers: delays before another attempt, timeouts of functions, and grace periods. */
import type { Command } from './commands.ts';
import type { EventOf } from './events.ts';
import { putBack } from './ready.ts';
import { noteRoom, threadOf } from './dispatch/seats.ts';
import { endThread } from './dispatch/threads.ts';
import { type Batch, nextId, type State, Status } from './state.ts';

/** Handles the announced start of a function: its timeout runs from now. */
export function functionStarted(state: State, { batch: id, index }: EventOf<'FunctionStarted'>, out: Command[]): void {
  const batch = state.batches.get(id);
  if (batch === undefined) return;
  const { run } = batch;
  const i = batch.functions[index]!;
  const { timeout } = run.plan.entries[i]!.traits;
  if (timeout === undefined || batch.cancelled || batch.timer >= 0) return;
  const spent = run.attempts[i] === 0 ? (run.settings.began?.get(i) ?? 0) : 0;
  setBatchTimer(state, batch, 'timeout', Math.max(0, timeout - spent), out);
}

export function timerFired(state: State, id: number, out: Command[]): void {
  const timer = state.timers.get(id);
  if (timer === undefined) return; // it was cleared while it fired
  state.timers.delete(id);
  switch (timer.kind) {
    case 'delay': {
      const { run, index } = timer;
      run.delays.delete(index);
      if (run.status[index] === Status.delayed) putBack(state, run, index, out);
      return;
    }
    case 'timeout':
      timer.batch.timedOut = true;
      out.push({ type: 'Cancel', batch: timer.batch, why: 'timeout' });
      setBatchTimer(state, timer.batch, 'grace', state.tuning.grace, out);
      return;
    case 'grace': {
      const { batch } = timer;
      const thread = threadOf(batch.thread);
      batch.timer = -1;
      batch.isDoomed = true;
      // Other batches on this thread are put back and are not at fault.
      if (!thread.killing) endThread(thread, batch, out);
      state.shallow.delete(thread);
      noteRoom(state, thread);
      return;
    }
    case 'rebalance':
      state.wake.timer = -1;
      return; // the next dispatch turn looks again
    case 'refused':
      timer.run.refusalTimer = -1;
      return; // likewise
    case 'speculate':
      state.speculation.timer = -1;
      return; // likewise
  }
}

function setBatchTimer(state: State, batch: Batch, kind: 'timeout' | 'grace', ms: number, out: Command[]): void {
  batch.timer = nextId(state);
  state.timers.set(batch.timer, { kind, batch });
  out.push({ type: 'SetTimer', timer: batch.timer, ms });
}
