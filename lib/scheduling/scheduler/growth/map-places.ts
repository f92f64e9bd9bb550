/** The places of a map with `concurrency`. They limit its running elements, which start in the order of the list. */
import type { Command } from '../commands.ts';
import type { Span } from './span.ts';
import { makeReady } from '../ready.ts';
import { type Run, type State, Status } from '../state.ts';

/** Gives the place of an element that has ended to the next one. */
export function letIn(state: State, run: Run, span: Span, ended: number, out: Command[]): void {
  if (!span.admitted.delete(ended)) return;
  const { held } = span;
  while (span.nextHeld < held.length && run.outcome === undefined) {
    const next = held[span.nextHeld++]!;
    if (run.status[next] !== Status.waiting || run.missing[next]! > 0) continue; // it lost an input, and will come back
    makeReady(state, run, next, out);
    break;
  }
  if (span.nextHeld < held.length) return;
  held.length = 0;
  span.nextHeld = 0;
}
