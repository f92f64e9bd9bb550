/** Progress of a run: counts, rate and remaining time. */
import { type EtaNode, remainingOf } from './eta.ts';
import type { RunRecord } from './run-record.ts';

export interface ProgressState {
  readonly dagId: string;
  readonly total: number;
  readonly done: number;
  readonly failed: number;
  readonly skipped: number;
  readonly retries: number;
  /** ms since the run started. */
  readonly elapsed: number;
  /** Functions done per second over the last seconds; undefined without data. */
  readonly rate: number | undefined;
  /** Estimated remaining ms; undefined if unknown. */
  readonly remaining: number | undefined;
}

// ms over which the rate is measured.
const window = 5000;
// Runs with more functions than this update their estimate once a second, because it reads every function.
const large = 2000;
const every = 1000;

/** Measures a run repeatedly. */
export class ProgressMeter {
  readonly #record: RunRecord;
  /** `[at, done]`, oldest first. */
  #seen: [number, number][] = [];
  #remaining: { readonly at: number; readonly ms: number | undefined } | undefined;

  constructor(record: RunRecord) {
    this.#record = record;
  }

  /**
   * @param now ms since the epoch
   * @param nodes that work on the run
   * @param running start times of running functions, as far as known
   */
  state(now: number, nodes: readonly EtaNode[] = [], running: ReadonlyMap<number, number> = new Map()): ProgressState {
    const {
      graph: { dagId },
      total,
      done,
      failed,
      skipped,
      retries,
      startedAt,
      endedAt,
    } = this.#record;
    const at = endedAt ?? now;
    return {
      dagId,
      total,
      done,
      failed,
      skipped,
      retries,
      elapsed: startedAt === undefined ? 0 : Math.max(0, at - startedAt),
      rate: this.#rate(at),
      remaining: this.#left(now, nodes, running),
    };
  }

  #rate(at: number): number | undefined {
    const { done, startedAt } = this.#record;
    if (startedAt === undefined) return undefined;
    this.#seen.push([at, done]);
    while (this.#seen.length > 2 && this.#seen[1]![0] <= at - window) this.#seen.shift();
    const [from, before] = this.#seen[0]![0] > at - window ? [startedAt, 0] : this.#seen[0]!;
    return at > from && done > 0 ? ((done - before) / (at - from)) * 1000 : undefined;
  }

  #left(now: number, nodes: readonly EtaNode[], running: ReadonlyMap<number, number>): number | undefined {
    const known = this.#remaining;
    if (
      known !== undefined &&
      this.#record.graph.ids.length > large &&
      now - known.at < every &&
      this.#record.endedAt === undefined
    ) {
      return known.ms === undefined ? undefined : Math.max(0, known.ms - (now - known.at));
    }
    const ms = remainingOf(this.#record, now, nodes, running);
    this.#remaining = { at: now, ms };
    return ms;
  }
}
