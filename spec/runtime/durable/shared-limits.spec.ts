/** What a process does with the store that counts limits for several: what it takes, gives back, and survives. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Amounts, LimitStore } from '../../../lib/journal/journal.ts';
import { SharedLimits } from '../../../lib/runtime/durable/shared-limits.ts';

const rules = { a: { concurrency: 2, perSecond: Infinity, burst: 1 } };

/** Answers when it is told to. */
class Store implements LimitStore {
  readonly calls: string[] = [];
  answer = Promise.withResolvers<number>();
  wake = (): void => {};

  take(_limits: unknown, amounts: Amounts, held: Amounts): Promise<number> {
    this.calls.push(`take ${amounts.a}, holds ${held.a}`);
    return this.answer.promise;
  }

  async giveBack(_limits: unknown, held: Amounts, unused: Amounts): Promise<void> {
    this.calls.push(`holds ${held.a}, unused ${unused.a}`);
  }

  watch(listener: () => void): () => void {
    this.wake = listener;
    return () => (this.wake = () => {});
  }

  /** Answers what is asked, as soon as it is asked. */
  async says(answer: number | Error): Promise<void> {
    await settled();
    const { resolve, reject } = this.answer;
    this.answer = Promise.withResolvers();
    if (typeof answer === 'number') resolve(answer);
    else reject(answer);
    await settled();
  }
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function start(): { store: Store; granted: Amounts[]; limits: SharedLimits } {
  const store = new Store();
  const granted: Amounts[] = [];
  return { store, granted, limits: new SharedLimits(store, rules, (uses) => granted.push(uses)) };
}

describe('shared limits', () => {
  afterEach(() => vi.restoreAllMocks());

  it('tell the store what is held when its answer was lost, though nothing asks any more', async () => {
    vi.spyOn(process, 'emitWarning').mockReturnValue();
    const { store, limits } = start();
    const uses = { a: 1 };
    limits.ask(uses);
    await settled();
    limits.withdraw(uses);
    await store.says(new Error('no answer'));
    store.wake();
    await settled();
    expect(store.calls).toEqual(['take 1, holds 0', 'holds 0, unused 0']);
  });

  it('are asked for again when something was given back', async () => {
    const { store, granted, limits } = start();
    limits.ask({ a: 1 });
    await store.says(Infinity);
    expect(granted).toEqual([]);
    store.wake();
    await store.says(0);
    expect(granted).toEqual([{ a: 1 }]);
    limits.giveBack('a', 1, 0);
    await settled();
    expect(store.calls).toEqual(['take 1, holds 0', 'take 1, holds 0', 'holds 0, unused 0']);
    limits.close();
  });

  it('go back when they were withdrawn before the answer came', async () => {
    const { store, granted, limits } = start();
    const uses = { a: 2 };
    limits.ask(uses);
    await settled();
    limits.withdraw(uses);
    await store.says(0);
    expect([granted, store.calls]).toEqual([[], ['take 2, holds 0', 'holds 0, unused 2']]);
    limits.close();
  });

  it('are asked for again after the store has failed, with one warning until it works', async () => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    const { store, granted, limits } = start();
    limits.ask({ a: 1 });
    await store.says(new Error('no such table'));
    store.wake();
    await store.says(new Error('no such table'));
    expect(warn.mock.calls).toEqual([
      [expect.stringMatching(/limits cannot be counted: no such table/), 'HandoffWarning'],
    ]);
    store.wake();
    await store.says(0);
    expect(granted).toEqual([{ a: 1 }]);
    limits.close();
  });

  it('are granted to no one after the close, whatever the store answers', async () => {
    const { store, granted, limits } = start();
    limits.ask({ a: 1 });
    await settled();
    limits.close();
    await store.says(0);
    store.wake();
    await settled();
    expect([granted, store.calls]).toEqual([[], ['take 1, holds 0']]);
  });
});
