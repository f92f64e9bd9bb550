/**
 * What a run has grown by: blocks of functions, numbered one block after the other behind the functions of its DAG.
 *
 * ```
 *   0 1 2 │ 3 4 5 │ 6 7 │ 8        the block of 3…5 is discarded, and with it that of 8, because function 4 had grown it:
 *   0 1 2 │       │ 3 4 │          what is left gets new numbers
 * ```
 */
import type { StoredValue } from './record.ts';

export interface Block {
  /** The map, or the function that answered with a graph. */
  readonly owner: number;
  /** The number of its first function, and how many there are. */
  readonly base: number;
  readonly count: number;
  /** Undefined for a map. */
  readonly graph: StoredValue | undefined;
}

/** What is left of blocks. */
export interface Remainder {
  readonly blocks: readonly Block[];
  /** The number of a function now; undefined when it is gone. */
  numberOf(i: number): number | undefined;
}

/** Whether a block follows the one before it without a gap, and the function that has grown it is known. */
export function follows(blocks: readonly Block[], { owner, base }: Pick<Block, 'owner' | 'base'>): boolean {
  const last = blocks.at(-1);
  return owner < base && (last === undefined || base === last.base + last.count);
}

/**
 * Takes out the blocks of some functions, and those that stem from these blocks.
 *
 * @param owners the functions whose blocks are taken out
 */
export function without(blocks: readonly Block[], owners: ReadonlySet<number>): Remainder {
  const left: Block[] = [];
  const gone = new Uint8Array(blocks.length);
  const moved = new Int32Array(blocks.length);
  let removed = 0;
  const numberOf = (i: number): number | undefined => {
    const at = blockAt(blocks, i);
    if (at < 0) return i;
    return gone[at] === 1 ? undefined : i - moved[at]!;
  };
  for (const [at, block] of blocks.entries()) {
    const owner = owners.has(block.owner) ? undefined : numberOf(block.owner);
    moved[at] = removed;
    if (owner === undefined) {
      gone[at] = 1;
      removed += block.count;
    } else left.push({ ...block, owner, base: block.base - removed });
  }
  return { blocks: left, numberOf };
}

/** The index of the block that has a function; -1 for a function of the DAG. */
function blockAt(blocks: readonly Block[], i: number): number {
  let low = -1;
  for (let high = blocks.length; high - low > 1;) {
    const middle = (low + high) >> 1;
    if (blocks[middle]!.base <= i) low = middle;
    else high = middle;
  }
  return low;
}
