/** What a run has grown by: the elements of its maps, and the graphs that functions answered with. */
import type { OutputShape } from '../../../core/output-shape.ts';
import type { CompiledDag, MapPlan } from '../../../dag/compile/compiled-dag.ts';

/** The elements of a map: `count` functions from index `base` on. */
export interface Span {
  /** The map. */
  readonly owner: number;
  readonly map: MapPlan;
  readonly base: number;
  readonly count: number;
  /** The function of the submitted plan in whose place they come in the dispatch order. */
  readonly root: number;
  /** The span whose elements these take, one each; null if they take values of a list. */
  readonly source: Span | null;
  /** The spans whose elements take these. */
  readonly takers: Span[];
  /** Whether a function reads the whole list. Only of use while results are dropped when nothing reads them. */
  isListRead: boolean;
  /** The number of elements that hold their inputs. See readers.ts. */
  holding: number;
  /** Whether elements have yet to read what all of them take. Only of use while results are dropped. */
  isReading: boolean;
  /** The number of elements without a result. */
  left: number;
  /** The elements whose result is an error. It is kept to the end, because they do not run again. */
  readonly errors: Set<number>;
  /** The elements that hold one of the places of a limited map. */
  readonly admitted: Set<number>;
  /** Elements that are to run as soon as a place is free, and how many of them were let in. */
  readonly held: number[];
  nextHeld: number;
}

/** The functions of a graph that a function answered with: `count` functions from index `base` on. */
export interface Expansion {
  /** The function that answered. */
  readonly owner: number;
  readonly base: number;
  readonly count: number;
  readonly root: number;
  /** How many expansions it is inside of, itself included. */
  readonly depth: number;
  /** How the results of its functions make up that of the owner. */
  readonly shape: OutputShape<number>;
  /** The functions in `shape`, without repeats. */
  readonly outputs: readonly number[];
  /** By function of the graph, counted from `base`: its place in the dispatch order of the graph, and the reverse. */
  readonly rank: Int32Array;
  readonly byRank: Int32Array;
  /** The function of the graph with this id, counted from `base`; -1 for none. */
  indexOf(id: string): number;
  /** Whether a function reads the result. Only of use while results are dropped when nothing reads them. */
  isRead: boolean;
  /** The number of its functions that are neither done nor skipped. */
  left: number;
  /** Whether an error of one of its functions is the result, because the function that answered is an element that settles. */
  isSettled: boolean;
  /** The functions that hold the result, once it is done. */
  holders: readonly number[];
}

/** The functions of a graph that a function answered with, as they are appended. */
export interface Answer {
  readonly plan: CompiledDag;
  /** How its results make up that of the function, by functions of `plan`. */
  readonly shape: OutputShape<number>;
  /** By code of `plan`: what `RunSettings.codes` is to say of it. */
  readonly codes: Int32Array;
}

export type Block = Span | Expansion;

/** What a run had grown by in an earlier process: the elements of a map, or a graph. In the order in which it did. */
export type RecordedGrowth =
  { readonly owner: number; readonly count: number } | { readonly owner: number; readonly answer: Answer };

export interface Growth {
  /** The number of functions of the submitted plan. */
  readonly size: number;
  /** In ascending order of `base`; none is empty. */
  readonly blocks: Block[];
  /** The elements of maps, by map. */
  readonly byOwner: Map<number, Span>;
  /** By the function that answered. */
  readonly expansions: Map<number, Expansion>;
  /** Indexes of codes and costs in the plan, by key. */
  readonly codes: Map<string, number>;
  readonly costs: Map<string, number>;
}
