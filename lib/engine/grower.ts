/** Carries out what concerns growth: the elements of maps, and the graphs that functions answer with. */
import { toErrorWire } from '../core/error-wire.ts';
import type { DagJson } from '../dag/dag.ts';
import type { Command } from '../scheduling/scheduler/commands.ts';
import { expansionOfOwner, spanOfOwner } from '../scheduling/scheduler/growth/growth.ts';
import type { FunctionFailure } from '../scheduling/scheduler/outcome.ts';
import type { Run } from '../scheduling/scheduler/state.ts';
import { encode } from '../workers/store/encode.ts';
import { Payload } from '../workers/store/payload.ts';
import type { ActiveRun } from './active-run.ts';
import type { Happening } from './batches/sender.ts';
import type { Observer } from './event-publisher.ts';
import { answerOf, type CompiledAnswer, compositeOf, shapeOf } from './graph-answers.ts';
import type { ResolvedCode } from './module-resolver.ts';
import { countOf, listOf } from './results/map-lists.ts';
import { takenBy } from './results/remote-results.ts';
import { causeOf } from './run-errors.ts';

export type GrowthCommand = Extract<
  Command,
  { readonly type: 'Grow' | 'Expand' | 'Grown' | 'Restored' | 'Gathered' | 'Settled' }
>;

/** Checks and compiles a graph that a function answered with. Synchronous when its code is already known. */
export type CompileAnswer = (active: ActiveRun, graph: DagJson) => CompiledAnswer | Promise<CompiledAnswer>;

interface GrowerParts {
  /** Those that have not ended. */
  readonly runs: ReadonlyMap<string, ActiveRun>;
  readonly observer: Observer;
  /** The name of a node by its index. */
  nameOf(index: number): string;
  feed(event: Happening): void;
  /** The same for a graph that the run grows by. */
  append(event: Happening): void;
  estimate(code: ResolvedCode): void;
  /** Fetches a result from another host. */
  bring(active: ActiveRun, i: number): Promise<void>;
  onLost(active: ActiveRun, indexes: readonly number[]): void;
  release(runId: string, indexes: readonly number[]): void;
}

export class Grower {
  readonly #parts: GrowerParts;
  compileAnswer: CompileAnswer = () => {
    throw new Error('no one compiles graphs');
  };

  constructor(parts: GrowerParts) {
    this.#parts = parts;
  }

  carryOut(command: GrowthCommand): void {
    switch (command.type) {
      case 'Grow':
        return void this.#measure(command);
      case 'Expand':
        return void this.#expand(command);
      case 'Grown': {
        const { run, index: owner, base, count } = command;
        const active = this.#parts.runs.get(run.id)!;
        active.results.grow(run.plan.size);
        const answer = active.takeChecked(owner, run.settings.codes);
        active.request.recorder?.grown({ owner, base, count, answer }, run);
        return this.#parts.observer.grown(run, owner, base, count);
      }
      case 'Restored':
        return this.#restored(command.run);
      case 'Gathered': {
        const { results, lists, request } = this.#parts.runs.get(command.run.id)!;
        lists.delete(command.index);
        request.cache?.gathered(command.index);
        if (expansionOfOwner(command.run, command.index) !== undefined) request.recorder?.gathered(command.index);
        return results.gather(command.index, compositeOf(command.run, command.index));
      }
      case 'Settled':
        return this.#settled(command.run, command.failed);
    }
  }

  /** Has a graph that a function answered with checked and compiled, and gives it to the scheduler. */
  async #expand({ run, index, asked }: Extract<Command, { readonly type: 'Expand' }>): Promise<void> {
    const active = this.#parts.runs.get(run.id)!;
    active.run ??= run;
    const wire = active.answers.get(index)!;
    active.answers.delete(index);
    try {
      const answer = answerOf(wire);
      const compiled = this.compileAnswer(active, answer.dag);
      const { plan, code, modules } = compiled instanceof Promise ? await compiled : compiled;
      if (!this.#isUnderWay(active)) return;
      const shape = shapeOf(answer, plan);
      this.#parts.estimate(code);
      active.checked.set(index, { code, wire, modules });
      const grown = { plan, shape, codes: code.codes };
      this.#parts.append({ type: 'GraphGrown', run: run.id, index, asked, answer: grown });
    } catch (error) {
      if (this.#isUnderWay(active))
        this.#parts.feed({ type: 'GrowthFailed', run: run.id, index, asked, error: toErrorWire(error) });
    }
  }

  /** Tells the scheduler how long the list of a map is. */
  async #measure({ run, index, asked }: Extract<Command, { readonly type: 'Grow' }>): Promise<void> {
    const active = this.#parts.runs.get(run.id)!;
    active.run ??= run;
    const { results, lists } = active;
    const { cache } = active.request;
    const taken = [...takenBy(run, index)];
    const cached = cache?.absent(taken) ?? [];
    const absent = [...taken.filter((i) => results.exists(i) && !results.has(i)), ...cached];
    if (absent.length > 0) {
      const bring = (i: number): Promise<void> => (results.exists(i) ? this.#parts.bring(active, i) : cache!.read(i));
      const ends = await Promise.allSettled(absent.map(bring));
      const lost = absent.filter((_, k) => ends[k]!.status === 'rejected');
      if (!this.#isUnderWay(active)) return;
      if (lost.length > 0) return this.#parts.onLost(active, lost);
    }
    try {
      const list = listOf(run, index, results, active.request.others);
      lists.set(index, list);
      this.#parts.feed({ type: 'RunGrown', run: run.id, index, asked, count: countOf(list) });
    } catch (error) {
      this.#parts.feed({ type: 'GrowthFailed', run: run.id, index, asked, error: toErrorWire(error) });
    }
  }

  /** The run is where an earlier process recorded it, so its results find their functions. */
  #restored(run: Run): void {
    const active = this.#parts.runs.get(run.id)!;
    active.run ??= run;
    const { done, results, grown, codes } = active.request.beginning!;
    active.results.grow(run.plan.size);
    for (const { owner } of grown) {
      const code = codes.get(owner);
      if (code !== undefined) active.takeCode(code, run.settings.codes);
      const { base, count } = spanOfOwner(run, owner) ?? expansionOfOwner(run, owner)!;
      this.#parts.observer.grown(run, owner, base, count);
    }
    for (const [i, value] of results) active.results.put(i, value);
    this.#parts.observer.restored(run, done);
  }

  /** The error of an element is its result. */
  #settled(run: Run, failed: FunctionFailure): void {
    const error = causeOf(run.plan.entries[failed.index]!.id, failed.failure);
    const value = { ok: false, error };
    const data = encode(value);
    const active = this.#parts.runs.get(run.id)!;
    active.awaited.delete(failed.index); // the result that it may have had was lost
    this.#parts.release(run.id, [failed.index]);
    active.results.put(failed.index, data === undefined ? value : new Payload(data));
    active.request.recorder?.finished([failed.index], this.#parts.nameOf(failed.node), active.results);
    this.#parts.observer.failed(run, failed);
  }

  /** The run may have ended meanwhile, and another may have its id. */
  #isUnderWay(active: ActiveRun): boolean {
    return this.#parts.runs.get(active.id) === active;
  }
}
