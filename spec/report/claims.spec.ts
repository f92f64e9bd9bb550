import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { claimsOf, levelAt, peakOf, thinned } from '../../lib/report/claims.ts';

describe('claims over time', () => {
  it('add up while functions run, by node and resource', () => {
    const claims = claimsOf([
      { node: 'a', begun: 0, ended: 10, cost: { cpu: 1, memory: 100 } },
      { node: 'a', begun: 5, ended: 15, cost: { cpu: 2 } },
      { node: 'b', begun: 0, ended: 1, cost: { gpu: 1, cpu: 0 } },
    ]);
    expect(claims.get('a')!.get('cpu')).toEqual({ at: [0, 5, 10, 15], level: [1, 3, 2, 0] });
    expect([...claims.get('b')!.keys()]).toEqual(['gpu']);
    expect([-1, 0, 7, 15, 99].map((when) => levelAt(claims.get('a')!.get('cpu')!, when))).toEqual([0, 1, 3, 0, 0]);
  });

  it('are not higher for a moment where one gives back what the next takes', () => {
    const steps = claimsOf([
      { node: 'a', begun: 0, ended: 5, cost: { cpu: 2 } },
      { node: 'a', begun: 5, ended: 9, cost: { cpu: 2 } },
    ])
      .get('a')!
      .get('cpu')!;
    expect(peakOf(steps)).toBe(2);
  });

  it('keep their peak and their end when they are thinned', () => {
    const holding = fc.record({
      node: fc.constant('a'),
      begun: fc.integer({ min: 0, max: 1000 }),
      took: fc.integer({ min: 1, max: 50 }),
      cpu: fc.integer({ min: 1, max: 4 }),
    });
    fc.assert(
      fc.property(fc.array(holding, { minLength: 1, maxLength: 80 }), fc.integer({ min: 2, max: 20 }), (held, most) => {
        const steps = claimsOf(
          held.map(({ took, cpu, ...each }) => ({ ...each, ended: each.begun + took, cost: { cpu } })),
        )
          .get('a')!
          .get('cpu')!;
        const thin = thinned(steps, most);
        expect(thin.at.length).toBeLessThanOrEqual(Math.max(most, Math.min(steps.at.length, most)) + 1);
        expect(peakOf(thin)).toBe(peakOf(steps));
        expect([thin.at[0], thin.at.at(-1), thin.level.at(-1)]).toEqual([steps.at[0], steps.at.at(-1), 0]);
        expect(thin.at).toEqual(thin.at.toSorted((a, b) => a - b));
      }),
    );
  });
});
