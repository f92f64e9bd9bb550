/**
 * The functions of a run that could start, in classes that ask for the same: when the first of a class finds no room, none does, so
 * that a turn looks at each class once and never at each function.
 */
import { RankHeap } from './heap.ts';

/** What all functions of a class ask for. */
export interface Demand {
  /** Into `Plan.costs`. */
  readonly cost: number;
  /** The one node it may run on; -1: any. */
  readonly node: number;
  /** The node it failed on, not to be tried again first; -1: none. */
  readonly avoid: number;
  /** Into `Plan.costs`: what its group asks in all, while the group has no node; else 0. */
  readonly need: number;
  /** The host where most of what it takes lies; -1: it is no matter. */
  readonly prefer: number;
}

export interface ReadyClass extends Demand {
  readonly heap: RankHeap;
  /** The turn in which it found no room. */
  blocked: number;
  /** Since when, in ms, it waits for a lane of the host that it prefers; -1: it does not. */
  waitsSince: number;
}

export class ReadyQueue {
  readonly #byCost: (ReadyClass | undefined)[] = [];
  readonly #others = new Map<string, ReadyClass>();
  readonly #classes: ReadyClass[] = [];
  readonly #unplaced = new Set<number>();
  /** The same in order; undefined: it is to be sorted anew. */
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

  /** Ranks of those that an allocator has given no node yet. */
  get unplaced(): ReadonlySet<number> {
    return this.#unplaced;
  }

  /** The same, the first to be dispatched first. */
  get unplacedInOrder(): readonly number[] {
    if (this.#inOrder === undefined) this.#inOrder = [...this.#unplaced].sort((a, b) => a - b);
    else if (this.#inOrder.length > this.#unplaced.size) this.#inOrder = this.#inOrder.filter((rank) => this.#unplaced.has(rank));
    return this.#inOrder;
  }

  /** Keeps one until an allocator has given it a node. */
  setAside(rank: number): void {
    this.#size++;
    this.#unplaced.add(rank);
    this.#inOrder = undefined;
  }

  /** Takes out one that was set aside. */
  take(rank: number): void {
    if (this.#unplaced.delete(rank)) this.#size--;
  }

  /** Takes the first of a class. */
  pop(from: ReadyClass): number {
    this.#size--;
    const rank = from.heap.pop();
    if (from.heap.size === 0 && this.#classes.length > manyClasses) this.#drop(from);
    return rank;
  }

  /** The classes not blocked in this turn, that with the very first function first. */
  open(turn: number): readonly ReadyClass[] {
    if (this.#classes.length === 1) return this.#classes[0]!.blocked === turn ? none : this.#classes.slice();
    const open = this.#classes.filter((each) => each.heap.size > 0 && each.blocked !== turn);
    return open.sort((a, b) => a.heap.top - b.heap.top);
  }

  /** Empties it, and gives the ranks of what was in it. */
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
    const { cost, node, avoid, need, prefer } = demand;
    if (node === -1 && avoid === -1 && need === 0 && prefer === -1) return (this.#byCost[cost] ??= this.#open(demand));
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

  #open({ cost, node, avoid, need, prefer }: Demand): ReadyClass {
    const made: ReadyClass = { cost, node, avoid, need, prefer, heap: new RankHeap(), blocked: -1, waitsSince: -1 };
    this.#classes.push(made);
    return made;
  }
}

const none: readonly ReadyClass[] = [];

// Up to so many, classes stay when they are empty: most fill again.
const manyClasses = 16;

function keyOf({ cost, node, avoid, need, prefer }: Demand): string {
  return `${cost}:${node}:${avoid}:${need}:${prefer}`;
}
