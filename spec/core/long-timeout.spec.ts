import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { setLongTimeout } from '../../lib/core/long-timeout.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it.each([1, 1000, 2 ** 31 - 1, 2 ** 31, 5 * 2 ** 31])('calls back after %d ms, and not before', (ms) => {
  const callback = vi.fn();
  setLongTimeout(callback, ms);
  vi.advanceTimersByTime(ms - 1);
  expect(callback).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1);
  expect(callback).toHaveBeenCalledOnce();
});

it('does not when it was cleared, even after its first stretch', () => {
  const callback = vi.fn();
  const timeout = setLongTimeout(callback, 3 * 2 ** 31);
  vi.advanceTimersByTime(2 ** 31);
  timeout.clear();
  vi.advanceTimersByTime(3 * 2 ** 31);
  expect(callback).not.toHaveBeenCalled();
});
