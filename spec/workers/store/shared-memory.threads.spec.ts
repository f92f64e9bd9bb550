import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { allocateShared, count } from '../../../lib/workers/store/shared-memory.ts';
import { shared } from '../../../lib/task.ts';
import { c, dagOf, t, useHandoff } from '../../support/handoff.ts';

describe('shared memory', () => {
  it('is collected when no reference is left, although V8 does not count it', async () => {
    let collected = 0;
    const registry = new FinalizationRegistry(() => collected++);
    for (let i = 0; i < 2000 && collected === 0; i++) {
      registry.register(allocateShared(1024 * 1024), i);
      if (i % 20 === 0) await setImmediate(); // finalizers run between turns
    }
    expect(collected).toBeGreaterThan(0);
  });

  it('is counted once, however often it is seen', () => {
    const buffer = new SharedArrayBuffer(16);
    expect(count(buffer)).toBe(buffer);
    expect(count(buffer)).toBe(buffer);
    expect(Object.keys(buffer)).toEqual([]);
  });
});

describe('shared arrays', () => {
  const handoff = useHandoff();

  it.each(Object.entries(shared))('%s has the length that was asked for, and zeros', (name, make) => {
    const array = make(3);
    expect(array.constructor.name.toLowerCase()).toContain(name.toLowerCase().replace('clamped', ''));
    expect(array).toHaveLength(3);
    expect(Number(array[2])).toBe(0);
    expect(array.buffer).toBeInstanceOf(SharedArrayBuffer);
  });

  it.each([-1, 1.5, NaN, '3', undefined, 2 ** 60])('refuses the length %s', (length) => {
    expect(() => shared.float64(length as number)).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }));
  });

  it.each([3, 100_000])('of %d elements reach the caller and every consumer without a copy', async (length) => {
    const { results } = await handoff().execute(
      dagOf({ id: 'ramp', code: c.sharedRamp, extraArgs: [length] }, { id: 'same', code: t.constant, args: ['ramp'] }),
    );
    const { ramp, same } = results as Record<string, Float64Array>;
    expect(same).toEqual(ramp);
    ramp![0] = 42; // only to show that it is one memory: who reads a result does not write to it
    expect(same![0]).toBe(42);
  });
});
