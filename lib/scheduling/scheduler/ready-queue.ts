/**
 * The ready functions of a run, in classes with equal demands. If the first of a class finds no room, no other of the
 * class does, so a turn looks once at each class instead of at each function.
 */
import { RankHeap } from './heap.ts';

/** The demands that all functions of a class share. */
export interface Demand {
  /** Index into `CompiledDag.costs`. */
  readonly cost: number;
  /** The only eligible node; -1 for any. */
  readonly node: number;
  /** The node of the last failure, which is tried last; -1 for none. */
  readonly avoid: number;
  /** Index into `CompiledDag.costs`: the cost of its whole group while the group has no node, otherwise 0. */
  readonly need: number;
  /** The host with most of its inputs; -1 for no preference. */
  readonly prefer: number;
  /** Whether it may have a seat on a thread beside others. */
  readonly concurrent: boolean;
}

export interface ReadyClass extends Demand {
  readonly heap: RankHeap;
  /** The turn in which it found no room. */
  blocked: number;
  /** The time in ms since when it waits for a thread of its preferred host; -1 if it does not. */
  waitsSince: number;
}

export class ReadyQueue {
  readonly #byCost: (ReadyClass | undefined)[] = [];
  readonly #others = new Map<string, ReadyClass>();
  readonly #classes: ReadyClass[] = [];
  readonly #unplaced = new Set<number>();
  /** The same, in order; undefined if it must be sorted again. */
  #inOrder: number[] | undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get classes(): readonly ReadyClass[] {
    return this.#classes;
  }

  push(rank: number, demand: Demand): void {
    this.#size++;
    this.#classOf(demand).heap.push(rank);
  }

  /** Ranks of the functions that the allocator has not placed yet. */
  get unplaced(): ReadonlySet<number> {
    return this.#unplaced;
  }

  /** The same, in dispatch order. */
  get unplacedInOrder(): readonly number[] {
    if (this.#inOrder === undefined) this.#inOrder = [...this.#unplaced].sort((a, b) => a - b);
    else if (this.#inOrder.length > this.#unplaced.size)
      this.#inOrder = this.#inOrder.filter((rank) => this.#unplaced.has(rank));
    return this.#inOrder;
  }

  /** Keeps a function until the allocator places it. */
  setAside(rank: number): void {
    this.#size++;
    this.#unplaced.add(rank);
    this.#inOrder = undefined;
  }

  /** Removes a function that was set aside. */
  take(rank: number): void {
    if (this.#unplaced.delete(rank)) this.#size--;
  }

  /** Removes and returns the first of a class. */
  pop(from: ReadyClass): number {
    this.#size--;
    const rank = from.heap.pop();
    if (from.heap.size === 0 && this.#classes.length > manyClasses) this.#drop(from);
    return rank;
  }

  /** The classes that are not blocked in this turn. The class with the very first function comes first. */
  open(turn: number): readonly ReadyClass[] {
    if (this.#classes.length === 1) return this.#classes[0]!.blocked === turn ? none : this.#classes.slice();
    const open = this.#classes.filter((each) => each.heap.size > 0 && each.blocked !== turn);
    return open.sort((a, b) => a.heap.top - b.heap.top);
  }

  /** Empties the queue and returns the ranks in it. */
  drain(): number[] {
    const ranks = [...this.#unplaced];
    for (const { heap } of this.#classes) while (heap.size > 0) ranks.push(heap.pop());
    this.clear();
    return ranks;
  }

  clear(): void {
    this.#byCost.length = 0;
    this.#others.clear();
    this.#classes.length = 0;
    this.#unplaced.clear();
    this.#inOrder = undefined;
    this.#size = 0;
  }

  #classOf(demand: Demand): ReadyClass {
    const { cost, node, avoid, need, prefer, concurrent } = demand;
    if (node === -1 && avoid === -1 && need === 0 && prefer === -1 && !concurrent)
      return (this.#byCost[cost] ??= this.#open(demand));
    const key = keyOf(demand);
    let found = this.#others.get(key);
    if (found === undefined) this.#others.set(key, (found = this.#open(demand)));
    return found;
  }

  #drop(from: ReadyClass): void {
    this.#classes.splice(this.#classes.indexOf(from), 1);
    if (this.#byCost[from.cost] === from) delete this.#byCost[from.cost];
    else this.#others.delete(keyOf(from));
  }

  #open({ cost, node, avoid, need, prefer, concurrent }: Demand): ReadyClass {
    const heap = new RankHeap();
    const made: ReadyClass = { cost, node, avoid, need, prefer, concurrent, heap, blocked: -1, waitsSince: -1 };
    this.#classes.push(made);
    return made;
  }
}

const none: readonly ReadyClass[] = [];

// Up to this number, empty classes are kept, because most fill again.
const manyClasses = 16;

function keyOf({ cost, node, avoid, need, prefer, concurrent }: Demand): string {
  return `${cost}:${node}:${avoid}:${need}:${prefer}:${concurrent}`;
}
