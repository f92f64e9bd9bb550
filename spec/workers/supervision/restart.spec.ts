import { describe, expect, it } from 'vitest';
import type { Exit, Restart, Strategy } from '../../../lib/workers/supervision/child.ts';
import { decide } from '../../../lib/workers/supervision/restart.ts';

const failed: Exit = { reason: 'error' };
const done: Exit = { reason: 'normal' };
const children = ['a', 'b', 'c'];
const intensity = { maxRestarts: 2, maxSeconds: 5 };
const decideOn = (strategy: Strategy, restart: Restart, exit: Exit, history: number[] = [], now = 0) =>
  decide(strategy, intensity, children, history, { id: 'b', restart }, exit, now);

describe('what a supervisor does about an exit', () => {
  it.each<[Restart, Exit, 'restart' | 'remove']>([
    ['permanent', failed, 'restart'],
    ['permanent', done, 'restart'],
    ['transient', failed, 'restart'],
    ['transient', done, 'remove'],
    ['transient', { reason: 'shutdown' }, 'remove'],
    ['temporary', failed, 'remove'],
    ['temporary', done, 'remove'],
  ])('a %s child that ends with %j: %s', (restart, exit, action) => {
    expect(decideOn('one-for-one', restart, exit).decision.action).toBe(action);
  });

  it.each<[Strategy, string[]]>([
    ['one-for-one', ['b']],
    ['one-for-all', ['a', 'b', 'c']],
    ['rest-for-one', ['b', 'c']],
  ])('%s restarts %j', (strategy, ids) => {
    expect(decideOn(strategy, 'permanent', failed).decision).toEqual({ action: 'restart', ids });
  });

  it('gives up at the first restart beyond the limit in the period', () => {
    expect(decideOn('one-for-one', 'permanent', failed, [0], 1000)).toEqual({
      decision: { action: 'restart', ids: ['b'] },
      history: [0, 1000],
    });
    expect(decideOn('one-for-one', 'permanent', failed, [0, 1000], 4000).decision).toEqual({ action: 'escalate' });
  });

  it('forgets old restarts', () => {
    expect(decideOn('one-for-one', 'permanent', failed, [0, 1000], 5500)).toEqual({
      decision: { action: 'restart', ids: ['b'] },
      history: [1000, 5500],
    });
  });

  it('does not count an exit that is excused', () => {
    const excused: Exit = { reason: 'error', excused: true };
    expect(decideOn('one-for-one', 'permanent', excused, [0, 0], 1)).toEqual({
      decision: { action: 'restart', ids: ['b'] },
      history: [0, 0],
    });
  });
});
