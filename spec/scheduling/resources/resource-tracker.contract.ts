/** What every `ResourceTracker` must do. Custom ones can be held to it too. */
import { describe, expect, it } from 'vitest';
import type { ResourceTracker } from '../../../lib/index.ts';

export function resourceTrackerContract(name: string, create: () => ResourceTracker): void {
  describe(`${name} as a ResourceTracker`, () => {
    const withNode = (): ResourceTracker => {
      const tracker = create();
      tracker.register('n', { cpu: 4, memory: 1000 });
      return tracker;
    };

    it('reports what a node registered as available', () => {
      expect(withNode().available('n', { cpu: 4, memory: 1000 })).toBe(true);
    });

    it('has no more than that, and nothing of what was not declared', () => {
      const tracker = withNode();
      expect(tracker.available('n', { cpu: 4.5 })).toBe(false);
      expect(tracker.available('n', { gpu: 1 })).toBe(false);
      expect(tracker.available('n', { gpu: 0 })).toBe(true);
      expect(tracker.available('nowhere', { cpu: 1 })).toBe(false);
    });

    it('lowers by requests and restores by releases, in parts and in full', () => {
      const tracker = withNode();
      expect(tracker.request('n', { cpu: 3, memory: 600 })).toBe(true);
      expect(tracker.available('n', { cpu: 2 })).toBe(false);
      tracker.release('n', { cpu: 1 });
      expect(tracker.available('n', { cpu: 2 })).toBe(true);
      expect(tracker.available('n', { memory: 500 })).toBe(false);
      tracker.release('n', { cpu: 2, memory: 600 });
      expect(tracker.available('n', { cpu: 4, memory: 1000 })).toBe(true);
    });

    it('refuses what is too much, all of it or nothing', () => {
      const tracker = withNode();
      expect(tracker.request('n', { cpu: 1, memory: 2000 })).toBe(false);
      expect(tracker.request('nowhere', { cpu: 1 })).toBe(false);
      expect(tracker.available('n', { cpu: 4, memory: 1000 })).toBe(true);
    });

    it('never has more than was registered, however much is released', () => {
      const tracker = withNode();
      tracker.release('n', { cpu: 100 });
      tracker.release('nowhere', { cpu: 1 });
      expect(tracker.available('n', { cpu: 4 })).toBe(true);
      expect(tracker.available('n', { cpu: 5 })).toBe(false);
    });

    it('keeps live claims when a node registers again', () => {
      const tracker = withNode();
      tracker.request('n', { cpu: 3 });
      tracker.register('n', { cpu: 5 });
      expect(tracker.available('n', { cpu: 2 })).toBe(true);
      expect(tracker.available('n', { cpu: 3 })).toBe(false);
      tracker.register('n', { cpu: 2 });
      expect(tracker.available('n', { cpu: 0.5 })).toBe(false);
    });
  });
}
