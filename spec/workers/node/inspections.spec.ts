import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Inspections, type InspectionParts } from '../../../lib/workers/node/inspections.ts';
import type { WorkerThread } from '../../../lib/workers/node/worker-thread.ts';
import type { Control } from '../../../lib/workers/node/wire.ts';

/** A thread whose answers the spec gives by hand. */
class HandThread {
  readonly idle = true;
  gone = false;
  readonly answers: ((answer: unknown) => void)[] = [];
  kill(): void {
    this.gone = true;
  }
  control(): Promise<unknown> {
    return new Promise((resolve) => this.answers.push(resolve));
  }
}

const never = new Promise<never>(() => {});
const question = { key: 'module:m', ask: (control: Control) => control.describe('m', []) };

function setUp(): { inspections: Inspections; inPool: HandThread; extra: HandThread; refuse: (error: Error) => void } {
  const inPool = new HandThread();
  const extra = new HandThread();
  let refusal: Error | undefined;
  const parts: InspectionParts = {
    threads: [inPool as unknown as WorkerThread],
    busy: () => {},
    free: () => {},
    extra: async () => ({ thread: extra as unknown as WorkerThread, end: async () => {} }),
    isWanted: () => true,
    refusal: () => refusal as ReturnType<InspectionParts['refusal']>,
  };
  return { inspections: new Inspections(parts), inPool, extra, refuse: (error) => void (refusal = error) };
}

describe('an inspection whose thread is taken away for other work', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('ignores what the ending thread answers, and asks another thread', async () => {
    const { inspections, inPool, extra } = setUp();
    const answer = inspections.ask(question, never);
    await vi.advanceTimersByTimeAsync(2000);
    expect(inPool.gone).toBe(true);
    inPool.answers[0]!({ ok: false, error: 'a native function gave undefined' });
    await vi.advanceTimersByTimeAsync(0);
    expect(extra.answers).toHaveLength(1);
    extra.answers[0]!({ ok: true });
    expect(await answer).toEqual({ ok: true });
  });

  it('fails with the reason of the node if the node is gone by then', async () => {
    const { inspections, inPool, extra, refuse } = setUp();
    const answer = inspections.ask(question, never);
    answer.catch(() => {});
    await vi.advanceTimersByTimeAsync(2000);
    refuse(new Error('node a is gone'));
    inPool.answers[0]!({ ok: true });
    await expect(answer).rejects.toThrow('node a is gone');
    expect(extra.answers).toHaveLength(0);
  });
});
