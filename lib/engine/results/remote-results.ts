/** Results on other hosts, fetched when they are needed here. */
import type { Batch } from '../../scheduling/scheduler/state.ts';
import { holdersOf, inputsOf, spanOf } from '../../scheduling/scheduler/growth/growth.ts';
import { type Run, Status } from '../../scheduling/scheduler/state.ts';
import { Payload, type PayloadData, type RemoteData } from '../../workers/store/payload.ts';
import type { ActiveRun } from '../active-run.ts';
import type { RunResults } from '../../workers/store/run-results.ts';

/** Transfers bytes between hosts. */
export interface Exchange {
  /** Fetches data from another host, for a run that has not ended; rejects when the data is gone. */
  fetch(data: RemoteData, run: number): Promise<PayloadData>;
  /** The data is no longer needed, wherever it is. */
  release(run: number, data: PayloadData): void;
  /** No data of a run is needed any more. */
  endRun(run: number): void;
}

export class Travel {
  readonly #exchange: Exchange;
  /** Transfers in progress. */
  readonly #coming = new Map<Payload, Promise<void>>();

  constructor(exchange: Exchange) {
    this.#exchange = exchange;
  }

  /** Functions whose results a batch needs and that are on another host. */
  absent(batch: Batch, results: RunResults): number[] {
    const { run } = batch;
    const { status } = run;
    const absent = new Set<number>();
    for (const i of batch.functions) {
      for (const dep of takenBy(run, i)) {
        const held = status[dep] === Status.done ? results.held(dep) : undefined;
        if (held instanceof Payload && held.data.kind === 'remote') absent.add(dep);
      }
    }
    return [...absent];
  }

  /** Resolves when the result is here. Concurrent calls share one transfer. */
  bring(payload: Payload, run: number): Promise<void> {
    const { data } = payload;
    if (data.kind !== 'remote') return Promise.resolve();
    let coming = this.#coming.get(payload);
    if (coming === undefined) {
      coming = this.#exchange
        .fetch(data, run)
        .then((here) => void (payload.data = here))
        .finally(() => this.#coming.delete(payload));
      this.#coming.set(payload, coming);
    }
    return coming;
  }

  release(run: number, held: unknown): void {
    if (held instanceof Payload) this.#exchange.release(run, held.data);
  }

  endRun(run: number): void {
    this.#exchange.endRun(run);
  }
}

/** The functions whose results a function takes. */
export function takenBy(run: Run, i: number): ArrayLike<number> & Iterable<number> {
  const { growth, plan } = run;
  if (growth === null) return plan.deps.subarray(plan.depOffset[i]!, plan.depOffset[i + 1]!);
  return inputsOf(run, i).flatMap((dep) => [...holdersOf(run, dep)]);
}

/** The lists on other hosts that elements of a batch take a value of. Their values are sent from here. */
export function absentLists({ run, functions }: Batch, { lists, results }: ActiveRun): number[] {
  if (run.growth === null) return [];
  const owners = new Set(
    functions.map((i) => spanOf(run, i)).flatMap((span) => (span?.source === null ? span.owner : [])),
  );
  return [...owners]
    .filter((owner) => !lists.has(owner))
    .flatMap((owner) => [...takenBy(run, owner)].filter((dep) => results.exists(dep) && !results.has(dep)));
}

/** Whether a batch can be sent now: its inputs are there, or made by the batch itself. */
export function isComplete(batch: Batch, results: RunResults): boolean {
  const { run } = batch;
  const { status } = run;
  const own = new Set(batch.functions);
  // Another host has results of its own.
  const has = (dep: number): boolean => (batch.thread.node.host === 0 ? results.has(dep) : results.exists(dep));
  const isThere = (dep: number): boolean =>
    own.has(dep) ||
    batch.gang?.imports.has(dep) === true ||
    status[dep] === Status.skipped ||
    (status[dep] === Status.done && has(dep));
  for (const i of batch.functions) for (const dep of takenBy(run, i)) if (!isThere(dep)) return false;
  return true;
}

/** The functions of a run whose results are on a host. */
export function resultsOn(host: string, results: RunResults): number[] {
  const found: number[] = [];
  for (let i = 0; i < results.index.size; i++) {
    const held = results.exists(i) ? results.held(i) : undefined;
    if (held instanceof Payload && held.data.kind === 'remote' && held.data.host === host) found.push(i);
  }
  return found;
}
