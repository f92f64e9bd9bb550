/** What a run has grown by: the elements of its maps. */
import type { MapPlan } from '../../dag/compiled-dag.ts';

/** The elements of a map: `count` functions from index `base` on. */
export interface Span {
  /** The map. */
  readonly owner: number;
  readonly map: MapPlan;
  readonly base: number;
  readonly count: number;
  /** The span whose elements these take, one each; null if they take values of a list. */
  readonly source: Span | null;
  /** The spans whose elements take these. */
  readonly takers: Span[];
  /** Whether a function reads the whole list. Only of use while results are dropped when nothing reads them. */
  isListRead: boolean;
  /** The number of elements without a result. */
  left: number;
  /** The elements that hold one of the places of a limited map. */
  readonly admitted: Set<number>;
  /** Elements that are to run as soon as a place is free, and how many of them were let in. */
  readonly held: number[];
  nextHeld: number;
}

export interface Growth {
  /** The number of functions of the plan. */
  readonly size: number;
  /** In ascending order of `base`. */
  readonly spans: Span[];
  readonly byOwner: Map<number, Span>;
}
