import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DynamicResourceTracker, SimpleResourceTracker } from '../../../lib/index.ts';
import { resourceTrackerContract } from './resource-tracker.contract.ts';

resourceTrackerContract('SimpleResourceTracker', () => new SimpleResourceTracker());
resourceTrackerContract('DynamicResourceTracker', () => new DynamicResourceTracker());
resourceTrackerContract('DynamicResourceTracker that sees more free than is declared', () => {
  const tracker = new DynamicResourceTracker();
  tracker.observe('n', { cpu: 64, memory: 1e6, gpu: 8 });
  return tracker;
});

describe('SimpleResourceTracker', () => {
  it('knows what is free and which function holds what', () => {
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

  it('frees everything that a removed claimant holds, and nothing of others', () => {
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

  it('has everything free again after all claims are released, whatever their fractions', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 50 }), (amounts) => {
        const tracker = new SimpleResourceTracker();
        tracker.register('n', { cpu: 100 });
        for (const cpu of amounts) expect(tracker.request('n', { cpu })).toBe(true);
        for (const cpu of amounts) tracker.release('n', { cpu });
        expect(tracker.available('n', { cpu: 100 })).toBe(true);
      }),
    );
  });
});

describe('DynamicResourceTracker', () => {
  const tracker = (): DynamicResourceTracker => {
    const made = new DynamicResourceTracker();
    made.register('n', { cpu: 4, memory: 1000, gpu: 1 });
    return made;
  };

  it('grants neither more than is observed to be free nor more than is unclaimed', () => {
    const of = tracker();
    of.observe('n', { cpu: 4, memory: 300 });
    expect(of.free('n')).toEqual({ cpu: 4, memory: 300, gpu: 1 });
    expect(of.available('n', { memory: 301 })).toBe(false);
    expect(of.request('n', { memory: 301 })).toBe(false);
    expect(of.request('n', { cpu: 3, memory: 300 })).toBe(true);
    expect(of.free('n')).toEqual({ cpu: 1, memory: 300, gpu: 1 });
    of.observe('n', { cpu: 4, memory: 2000 });
    expect(of.free('n')).toEqual({ cpu: 1, memory: 700, gpu: 1 });
  });

  it('limits only the observed resource of that node, until the next observation', () => {
    const of = tracker();
    of.register('m', { memory: 1000 });
    of.observe('n', { memory: 0 });
    expect(of.available('n', { cpu: 4, gpu: 1 })).toBe(true);
    expect(of.available('n', { memory: 1 })).toBe(false);
    expect(of.available('m', { memory: 1000 })).toBe(true);
    of.observe('n', { memory: 1 });
    expect(of.observed('n')).toEqual({ memory: 1 });
    expect(of.available('n', { memory: 1 })).toBe(true);
    of.observe('n', undefined);
    expect(of.available('n', { memory: 1000 })).toBe(true);
  });

  it('keeps live claims, whatever is observed, and forgets observations with their node', () => {
    const of = tracker();
    of.request('n', { memory: 600 }, 'one');
    of.observe('n', { memory: 0 });
    of.release('n', { memory: 600 }, 'one');
    expect(of.claims('n').size).toBe(0);
    of.unregister('n');
    of.register('n', { memory: 10 });
    expect(of.available('n', { memory: 10 })).toBe(true);
  });
});
