/** The numbers of functions that a run has grown by, when some of it is discarded. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Block, without } from '../../lib/journal/blocks.ts';

/** Blocks behind a DAG of four functions. Each has an owner before it. */
const blocks = fc.array(fc.record({ owner: fc.nat(), count: fc.nat(4) }), { maxLength: 12 }).map((each): Block[] => {
  let base = 4;
  return each.map(({ owner, count }) => {
    const block = { owner: owner % base, base, count, graph: undefined };
    base += count;
    return block;
  });
});
const sizeOf = (all: readonly Block[]): number => all.reduce((sum, { count }) => sum + count, 4);

/** The functions that stem from others, by walking up from each. */
function isGone(all: readonly Block[], owners: ReadonlySet<number>, i: number): boolean {
  const block = all.find(({ base, count }) => base <= i && i < base + count);
  return block !== undefined && (owners.has(block.owner) || isGone(all, owners, block.owner));
}

describe('what is left of a run when a part of what it grew by is discarded', () => {
  it('is everything that does not stem from it, numbered without a gap in the old order', () => {
    fc.assert(
      fc.property(blocks, fc.array(fc.nat(40)), (all, discarded) => {
        const owners = new Set(discarded);
        const { blocks: left, numberOf } = without(all, owners);
        const old = Array.from({ length: sizeOf(all) }, (_, i) => i);
        const stay = old.filter((i) => !isGone(all, owners, i));
        expect(old.map((i) => numberOf(i))).toEqual(old.map((i) => (stay.includes(i) ? stay.indexOf(i) : undefined)));
        expect(sizeOf(left)).toBe(stay.length);
        const owned = all.filter(({ owner }) => !owners.has(owner) && !isGone(all, owners, owner));
        expect(left).toEqual(
          owned.map((block) => ({ ...block, owner: numberOf(block.owner), base: expect.any(Number) })),
        );
        let base = 4;
        for (const block of left) {
          expect(block.base).toBe(base);
          base += block.count;
        }
      }),
    );
  });

  it('is the same whether it is discarded at once or bit by bit', () => {
    fc.assert(
      fc.property(blocks, fc.nat(40), fc.nat(40), (all, one, two) => {
        const both = without(all, new Set([one, two]));
        const first = without(all, new Set([one]));
        const next = first.numberOf(two);
        const second = without(first.blocks, new Set(next === undefined ? [] : [next]));
        expect(second.blocks).toEqual(both.blocks);
      }),
    );
  });
});
