/** The work that all peers do, and what each process says of it. */
import { appendFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';

/** What a process of a peer is asked to do, in its arguments. */
export interface Job {
  /** The folder or the URL of what keeps the run. */
  readonly store: string;
  /** How many steps the run has. */
  readonly steps: number;
  /** Each step after the one before, or all at once. */
  readonly order: 'sequence' | 'parallel';
  /** A file to which each step that runs adds a line; empty: steps do nothing. */
  readonly marks: string;
}

/** The id of the run, the same in each process that works on it. */
export const runId = 'measured';

export function jobOf([store, steps, order, marks = '']: readonly string[]): Job {
  return { store: store!, steps: Number(steps), order: order as Job['order'], marks };
}

/** What a step does: nothing, or a note of the time and 2 ms of waiting. */
export async function step(k: number, marks: string): Promise<number> {
  if (marks !== '') {
    appendFileSync(marks, `${k} ${Date.now()}\n`);
    await wait(2);
  }
  return k;
}

/** Runs a job once everything is started, and says how long it took. */
export async function measured(run: () => Promise<unknown>): Promise<void> {
  const begun = performance.now();
  await run();
  process.stdout.write(`ended ${performance.now() - begun}\n`);
}
