import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SimpleResourceTracker } from '../../lib/index.ts';
import { resourceTrackerContract } from './resource-tracker.contract.ts';

resourceTrackerContract('SimpleResourceTracker', () => new SimpleResourceTracker());

describe('SimpleResourceTracker', () => {
  it('knows what is free and who holds what', () => {
    const tracker = new SimpleResourceTracker();
    tracker.register('n', { cpu: 4, memory: 100 });
    tracker.request('n', { cpu: 1 }, 'one');
    tracker.request('n', { cpu: 2, memory: 30 }, 'two');
    expect(tracker.free('n')).toEqual({ cpu: 1, memory: 70 });
    expect(Object.fromEntries(tracker.claims('n'))).toEqual({ one: { cpu: 1 }, two: { cpu: 2, memory: 30 } });
    expect(tracker.capabilities('n')).toEqual({ cpu: 4, memory: 100 });
    expect(tracker.capabilities('nowhere')).toBeUndefined();
    expect(tracker.free('nowhere')).toEqual({});
  });

  it('frees all that a claimant holds when it is gone, and nothing of others', () => {
    const tracker = new SimpleResourceTracker();
    tracker.register('n', { cpu: 4 });
    tracker.register('m', { cpu: 4 });
    tracker.request('n', { cpu: 2 }, 'dead');
    tracker.request('m', { cpu: 1 }, 'dead');
    tracker.request('n', { cpu: 1 }, 'alive');
    tracker.releaseAll('dead');
    expect(tracker.free('n')).toEqual({ cpu: 3 });
    expect(tracker.free('m')).toEqual({ cpu: 4 });
    tracker.releaseAll('alive');
    expect(tracker.free('n')).toEqual({ cpu: 4 });
  });

  it('forgets a node', () => {
    const tracker = new SimpleResourceTracker();
    tracker.register('n', { cpu: 4 });
    tracker.unregister('n');
    expect(tracker.available('n', {})).toBe(false);
  });

  it('has everything free again when all is released, whatever the fractions', () => {
    fc.assert(fc.property(fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 50 }), (amounts) => {
      const tracker = new SimpleResourceTracker();
      tracker.register('n', { cpu: 100 });
      for (const cpu of amounts) expect(tracker.request('n', { cpu })).toBe(true);
      for (const cpu of amounts) tracker.release('n', { cpu });
      expect(tracker.available('n', { cpu: 100 })).toBe(true);
    }));
  });
});
