import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SimpleResourceTracker } from '../../../lib/scheduling/resources/resource-tracker.ts';
import { Admission } from '../../../lib/hosts/cluster/admission.ts';

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function admission(
  cpu: number,
  onFreed: (admission: Admission) => void = () => {},
): { admission: Admission; tracker: SimpleResourceTracker } {
  const tracker = new SimpleResourceTracker();
  const made: Admission = new Admission(tracker, () => onFreed(made));
  made.register('n', { cpu });
  return { admission: made, tracker };
}

describe('claims on a node that several hosts use', () => {
  it('are granted at once while there is room, and when a claim is released', async () => {
    const { admission: node } = admission(2);
    const granted: string[] = [];
    node.claim('n', { cpu: 2 }, 'a', () => granted.push('a'));
    node.claim('n', { cpu: 1 }, 'b', () => granted.push('b'));
    expect(granted).toEqual(['a']);
    node.releaseOther('n', { cpu: 2 }, 'a');
    await settled();
    expect(granted).toEqual(['a', 'b']);
  });

  it('are granted in the order in which they were asked for, so that a small one does not pass a large one for ever', async () => {
    const { admission: node } = admission(2);
    const granted: string[] = [];
    node.claim('n', { cpu: 1 }, 'a', () => granted.push('a'));
    node.claim('n', { cpu: 2 }, 'large', () => granted.push('large'));
    node.claim('n', { cpu: 1 }, 'small', () => granted.push('small'));
    await settled();
    expect(granted).toEqual(['a']);
    node.releaseOther('n', { cpu: 1 }, 'a');
    await settled();
    expect(granted).toEqual(['a', 'large']);
  });

  it("keep the place of this host's scheduler in the line, and notify it when its turn comes", async () => {
    const own: boolean[] = [];
    const { admission: node } = admission(1, (each) => own.push(each.request('n', { cpu: 1 }, 'own')));
    const granted: string[] = [];
    node.claim('n', { cpu: 1 }, 'a', () => granted.push('a'));
    node.claim('n', { cpu: 1 }, 'b', () => granted.push('b'));
    expect(node.request('n', { cpu: 1 }, 'own')).toBe(false);
    node.claim('n', { cpu: 1 }, 'c', () => granted.push('c'));
    node.releaseOther('n', { cpu: 1 }, 'a');
    await settled();
    expect([granted, own.includes(true)]).toEqual([['a', 'b'], false]);
    node.releaseOther('n', { cpu: 1 }, 'b');
    await settled();
    expect([granted, own.includes(true)]).toEqual([['a', 'b'], true]);
    node.release('n', { cpu: 1 }, 'own');
    await settled();
    expect(granted).toEqual(['a', 'b', 'c']);
  });

  it("do not wait for this host's scheduler after it has withdrawn", async () => {
    const { admission: node } = admission(1);
    const granted: string[] = [];
    node.claim('n', { cpu: 1 }, 'a', () => granted.push('a'));
    node.claim('n', { cpu: 1 }, 'b', () => granted.push('b'));
    node.request('n', { cpu: 1 }, 'own');
    node.claim('n', { cpu: 1 }, 'c', () => granted.push('c'));
    node.releaseOther('n', { cpu: 1 }, 'a');
    await settled();
    node.releaseOther('n', { cpu: 1 }, 'b');
    await settled();
    expect(granted).toEqual(['a', 'b', 'c']);
  });

  it('may be passed by requests for other resources', async () => {
    const { admission: node } = admission(2);
    node.register('n', { cpu: 2, gpu: 1 });
    const granted: string[] = [];
    node.claim('n', { gpu: 1 }, 'a', () => granted.push('a'));
    node.claim('n', { gpu: 1 }, 'b', () => granted.push('b'));
    node.claim('n', { cpu: 1 }, 'c', () => granted.push('c'));
    expect(node.request('n', { cpu: 1 }, 'own')).toBe(true);
    expect(node.request('n', { gpu: 1 }, 'own')).toBe(false);
    node.claim('n', { cpu: 1, gpu: 1 }, 'd', () => granted.push('d'));
    await settled();
    expect(granted).toEqual(['a', 'c']);
  });

  it('can be withdrawn, so that those behind are granted', async () => {
    const { admission: node } = admission(2);
    const granted: string[] = [];
    node.claim('n', { cpu: 1 }, 'a', () => granted.push('a'));
    const withdraw = node.claim('n', { cpu: 2 }, 'large', () => granted.push('large'));
    node.claim('n', { cpu: 1 }, 'small', () => granted.push('small'));
    withdraw();
    await settled();
    expect(granted).toEqual(['a', 'small']);
  });

  it("never exceed the node's capacity, and are all granted eventually, in any order of requests", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ cpu: fc.integer({ min: 1, max: 4 }), own: fc.boolean() }), { maxLength: 30 }),
        fc.infiniteStream(fc.nat()),
        async (claims, choices) => {
          const held: { readonly cpu: number; readonly own: boolean }[] = [];
          const wanted = claims.filter(({ own }) => own);
          const { admission: node, tracker } = admission(4, (each) => take(each));
          const take = (each: Admission): void => {
            while (wanted[0] !== undefined && each.request('n', { cpu: wanted[0].cpu }, 'own'))
              held.push(wanted.shift()!);
          };
          let left = claims.length;
          for (const claim of claims)
            if (!claim.own) node.claim('n', { cpu: claim.cpu }, 'other', () => held.push(claim));
          take(node);
          while (left > 0) {
            expect(held.reduce((sum, { cpu }) => sum + cpu, 0)).toBeLessThanOrEqual(4);
            expect(held.length, `${left} are left`).toBeGreaterThan(0);
            const [done] = held.splice((choices.next().value as number) % held.length, 1);
            left--;
            if (done!.own) node.release('n', { cpu: done!.cpu }, 'own');
            else node.releaseOther('n', { cpu: done!.cpu }, 'other');
            if (done!.own) take(node); // a scheduler looks for more work when something of its own ends
            await settled();
          }
          expect(tracker.free('n')).toEqual({ cpu: 4 });
        },
      ),
      { numRuns: 200 },
    );
  });
});
