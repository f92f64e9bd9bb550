/** Which threads count as held by one of their concurrent functions. Time is a variable here. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { BlockWatch } from '../../../../lib/workers/node/worker/block-watch.ts';

let now: number;
let check: () => void;
let told: number[];
let watch: BlockWatch;

beforeEach(() => {
  now = 1000;
  told = [];
  vi.spyOn(performance, 'now').mockImplementation(() => now);
  vi.spyOn(process, 'threadCpuUsage').mockImplementation(() => ({ user: now * 1000, system: 0 }));
  vi.spyOn(globalThis, 'setInterval').mockImplementation(((callback: () => void) => {
    check = callback;
    return { unref: () => 0 };
  }) as unknown as typeof setInterval);
  watch = new BlockWatch({ current: () => undefined, report: (_, ms) => told.push(ms) });
  watch.start();
});

afterEach(() => {
  watch.stop();
  vi.restoreAllMocks();
});

/** Many functions begin or end, one after another, before the timer gets its turn. */
function burst(count: number, ms: number): void {
  for (let k = 0; k < count; k++) {
    now += ms;
    watch.passed(now);
  }
}

describe('a thread that is late', () => {
  it('does not count as held when many functions begin and end meanwhile', () => {
    burst(500, 2);
    check();
    expect(told).toEqual([]);
  });

  it('counts as held when none begins or ends for long', () => {
    now += 100 + 150;
    check();
    expect(told).toEqual([150]);
  });

  it('counts as held when one of many functions blocks it for long', () => {
    burst(100, 2);
    burst(1, 120);
    burst(100, 2);
    check();
    expect(told).toEqual([120]);
  });

  it('does not count idle time', () => {
    watch.passed(now);
    now += 99; // idle until the timer is nearly due
    burst(60, 2);
    check();
    expect(told).toEqual([]);
  });
});
