/** Results that lie on other hosts, brought here when somebody here is to have them. */
import type { Batch } from '../scheduling/scheduler/state.ts';
import { Status } from '../scheduling/scheduler/state.ts';
import { Payload, type PayloadData, type RemoteData } from '../workers/store/payload.ts';
import type { RunResults } from '../workers/store/run-results.ts';

/** How bytes get from host to host. */
export interface Exchange {
  /** Brings here what another host holds, for a run as long as that is under way; rejects when it is gone. */
  fetch(data: RemoteData, run: number): Promise<PayloadData>;
  /** Nobody will read it any more, wherever it is. */
  release(run: number, data: PayloadData): void;
  /** Nothing of a run will be read any more. */
  endRun(run: number): void;
}

export class Travel {
  readonly #exchange: Exchange;
  /** On their way. */
  readonly #coming = new Map<Payload, Promise<void>>();

  constructor(exchange: Exchange) {
    this.#exchange = exchange;
  }

  /** The functions whose results a batch takes that are on another host. */
  absent(batch: Batch, results: RunResults): number[] {
    const { plan, status } = batch.run;
    const absent = new Set<number>();
    for (const i of batch.functions) {
      for (let k = plan.depOffset[i]!; k < plan.depOffset[i + 1]!; k++) {
        const dep = plan.deps[k]!;
        const held = status[dep] === Status.done ? results.held(dep) : undefined;
        if (held instanceof Payload && held.data.kind === 'remote') absent.add(dep);
      }
    }
    return [...absent];
  }

  /** Whether a batch could be sent now: all that it takes is here, or made by itself. */
  isComplete(batch: Batch, results: RunResults): boolean {
    const { plan, status } = batch.run;
    const own = new Set(batch.functions);
    return batch.functions.every((i) => plan.deps.subarray(plan.depOffset[i]!, plan.depOffset[i + 1]!).every((dep) => own.has(dep) || (status[dep] === Status.done && results.has(dep))));
  }

  /** Resolves when it is here. Whoever asks, it comes once. */
  bring(payload: Payload, run: number): Promise<void> {
    const { data } = payload;
    if (data.kind !== 'remote') return Promise.resolve();
    let coming = this.#coming.get(payload);
    if (coming === undefined) {
      coming = this.#exchange.fetch(data, run).then((here) => void (payload.data = here)).finally(() => this.#coming.delete(payload));
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

/** The functions of a run whose results lie on a host. */
export function resultsOn(host: string, results: RunResults): number[] {
  const found: number[] = [];
  for (let i = 0; i < results.index.size; i++) {
    const held = results.exists(i) ? results.held(i) : undefined;
    if (held instanceof Payload && held.data.kind === 'remote' && held.data.host === host) found.push(i);
  }
  return found;
}
