/**
 * Large results on other hosts, in virtual time: they are lost with their node. Those that the run keeps travel to this
 * host, and those of functions that are not idempotent are here at once.
 */
import { hasLost } from '../scheduler/speculation/race.ts';
import type { EventOf } from '../scheduler/events.ts';
import { isOnce } from '../scheduler/failure/once.ts';
import { type Run, type State, Status } from '../scheduler/state.ts';

/** A result on its way to this host. */
export interface Travelling {
  readonly run: Run;
  readonly index: number;
  readonly bytes: number;
  /** Says that it arrived. Returns whether it did: its node may be lost since. */
  arrive(): boolean;
}

export class RemoteResults {
  readonly #state: State;
  /** By run and function: the node that holds the only copy of its result. */
  readonly #holders = new Map<Run, Map<number, { readonly node: string }>>();

  constructor(state: State) {
    this.#state = state;
  }

  /** Notes the large results of a report that is about to be handled. Returns those that set out for this host. */
  note({ batch: id, first, large = [] }: EventOf<'FunctionsEnded'>): Travelling[] {
    const batch = this.#state.batches.get(id);
    if (batch === undefined || first < batch.done || batch.timedOut || hasLost(batch)) return [];
    const { run, functions, thread } = batch;
    let holders = this.#holders.get(run);
    if (holders === undefined) this.#holders.set(run, (holders = new Map()));
    const travelling: Travelling[] = [];
    for (const { index: position, bytes } of large) {
      const index = functions[position]!;
      holders.delete(index);
      if (thread.node.host === 0 || isOnce(run.plan, index)) continue;
      const holder = { node: thread.node.name };
      holders.set(index, holder);
      const arrive = (): boolean => holders.get(index) === holder && holders.delete(index);
      if (run.settings.kept === null || run.settings.kept[index] === 1) travelling.push({ run, index, bytes, arrive });
    }
    return travelling;
  }

  /** The results that are lost with a node, by run. */
  *lostWith(node: string): Iterable<{ readonly run: Run; readonly indexes: number[] }> {
    for (const [run, holders] of this.#holders) {
      if (this.#state.runs.get(run.id) !== run) {
        this.#holders.delete(run);
        continue;
      }
      const indexes: number[] = [];
      for (const [i, holder] of holders) {
        if (holder.node !== node) continue;
        holders.delete(i);
        if (run.status[i] === Status.done) indexes.push(i);
      }
      if (indexes.length > 0) yield { run, indexes };
    }
  }
}
