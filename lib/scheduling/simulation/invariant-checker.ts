/**
 * Checks the guarantees that users rely on during a simulation. It keeps its own records and reads almost nothing from
 * the scheduler's state.
 */
import { amountOf } from '../resources/amounts.ts';
import type { Command } from '../scheduler/commands.ts';
import type { Event } from '../scheduler/events.ts';
import { type Batch, type Run, type State, Status } from '../scheduler/state.ts';
import { elementsOf, expansionOf, expansionOfOwner, spanOf, spanOfOwner } from '../scheduler/growth/growth.ts';
import type { SimNode } from './sim-node.ts';
import type { SentBatch } from './wire.ts';

/** A violated guarantee of the scheduler. */
export class Violation extends Error {
  override readonly name = 'Violation';
}

export class InvariantChecker {
  readonly #state: State;
  readonly #now: () => number;
  /** The amounts that running functions hold at each node. */
  readonly #held = new Map<SimNode, Record<string, number>>();
  /** Batches that were started and are not accounted for. */
  readonly #open = new Map<number, Batch>();
  /** Functions at a thread, as `run/index`, and their batches: two if one is a copy. */
  readonly #inFlight = new Map<string, Set<number>>();
  /** Batches that were asked to stop. */
  readonly #cancelled = new Set<number>();
  /** Batches that ran a function while another batch gave its result. */
  readonly #beaten: Batch[] = [];
  readonly #done = new Set<string>();
  /** The existing results. */
  readonly #stored = new Set<string>();
  /** Restored functions whose results were not read. */
  readonly #isAbsent = new Set<string>();
  /** Batches whose function timed out. */
  readonly #timedOut = new Set<number>();
  readonly #notBefore = new Map<string, number>();
  readonly #failures = new Map<string, number>();
  /** The number of starts of functions that are not idempotent. */
  readonly #begun = new Map<string, number>();
  readonly #over = new Set<string>();
  readonly #isSkipped = new Set<string>();
  /** Elements of maps whose result is an error. */
  readonly #isSettled = new Set<string>();

  constructor(state: State, now: () => number) {
    this.#state = state;
    this.#now = now;
  }

  /**
   * Checks an event and the commands that the scheduler returned for it.
   *
   * @param threadsBefore the number of threads that the scheduler knew of the event's node before
   */
  watch(event: Event, threadsBefore: number, commands: readonly Command[]): void {
    if ('incarnation' in event) this.#onNodeEvent(event, threadsBefore);
    for (const command of commands)
      if (command.type === 'Settled') this.#isSettled.add(keyOf(command.run, command.failed.index));
    this.#settle();
    // Results that a run loses while it ends are not made again, and may still be dropped.
    if (event.type === 'ResultsLost' && this.#state.runs.get(event.run)?.outcome === undefined)
      for (const i of event.indexes) this.#stored.delete(`${event.run}/${i}`);
    for (const command of commands) {
      this.#watchOne(event, command);
      this.#watchOutcome(command);
    }
    for (const { id } of this.#beaten.splice(0))
      check(this.#cancelled.has(id), () => `batch ${id} continues, although another batch has won`);
  }

  /**
   * A run is resumed.
   *
   * @param done the functions that are done
   * @param needed those of them whose results are there
   */
  restored(run: string, done: Iterable<number>, needed: readonly number[]): void {
    for (const i of done) {
      this.#done.add(`${run}/${i}`);
      this.#isAbsent.add(`${run}/${i}`);
    }
    for (const i of needed) {
      this.#stored.add(`${run}/${i}`);
      this.#isAbsent.delete(`${run}/${i}`);
    }
  }

  #watchOne(event: Event, command: Command): void {
    switch (command.type) {
      case 'Start':
        this.#started(command.batch);
        break;
      case 'Recompute':
        check(event.type === 'ResultsLost', () => 'results are made again although none was lost');
        for (const i of command.indexes) this.#recomputed(command.run, i);
        break;
      case 'Release':
        for (const i of command.indexes)
          check(
            this.#stored.delete(keyOf(command.run, i)) || this.#isAbsent.delete(keyOf(command.run, i)),
            () => `${label(command.run, i)} is dropped, and was not there`,
          );
        break;
      case 'Cancel':
        if (command.why === 'timeout') this.#timedOut.add(command.batch.id);
        else this.#cancelled.add(command.batch.id);
        break;
      case 'FinishRun':
        this.#finished(command.run);
        break;
      case 'FailRun':
        check(
          command.outcome.kind !== 'refused',
          () => `run ${command.run.id} is given up for refused claims, but there are no other claimants`,
        );
        this.#over.add(command.run.id);
        break;
      default:
        break;
    }
  }

  /** Checks what the scheduler decides about a function. */
  #watchOutcome(command: Command): void {
    switch (command.type) {
      case 'Gathered':
        this.#gathered(command.run, command.index);
        break;
      case 'Settled':
        // What failed may be a function of its graph.
        if (expansionOfOwner(command.run, command.failed.index) === undefined)
          this.#failed(command.run, command.failed.index, command.failed.attempts, command.failed.failure.kind);
        this.#isSettled.add(keyOf(command.run, command.failed.index)); // after it was to be made again
        this.#done.add(keyOf(command.run, command.failed.index));
        this.#stored.add(keyOf(command.run, command.failed.index));
        break;
      case 'Skipped':
        this.#skipped(command.run, command.index);
        break;
      case 'Retry':
        this.#retried(command.run, command.failed.index, command.failed.attempts, command.delay);
        break;
      case 'Failed':
        this.#failed(command.run, command.failed.index, command.failed.attempts, command.failed.failure.kind);
        break;
      default:
        break;
    }
  }

  /** Checks a function that starts at a node. */
  began(node: SimNode, { batch }: SentBatch, at: number): void {
    const held = this.#held.get(node) ?? {};
    this.#held.set(node, held);
    this.#beganOnce(batch.run, batch.functions[at]!);
    const cost = batch.run.plan.costs[batch.run.plan.cost[batch.functions[at]!]!] ?? {};
    for (const [name, amount] of Object.entries(cost)) {
      held[name] = amountOf(held, name) + amount;
      check(
        held[name] <= amountOf(node.shape.capabilities, name) + 1e-9,
        () =>
          `${node.shape.name} holds ${name} ${held[name]} of ${amountOf(node.shape.capabilities, name)}, with ${label(batch.run, batch.functions[at]!)}`,
      );
    }
  }

  /** A function that is not idempotent starts again only after an attempt that is known to have failed by itself. */
  #beganOnce(run: Run, i: number): void {
    if (run.plan.entries[i]!.traits.idempotent) return;
    const before = this.#begun.get(keyOf(run, i)) ?? 0;
    const failures = this.#failures.get(keyOf(run, i)) ?? 0;
    check(
      before <= failures,
      () =>
        `${label(run, i)} is not idempotent, has started ${before} times and failed ${failures} times, and starts again`,
    );
    this.#begun.set(keyOf(run, i), before + 1);
  }

  ended(node: SimNode, { batch }: SentBatch, at: number): void {
    const held = this.#held.get(node)!;
    const cost = batch.run.plan.costs[batch.run.plan.cost[batch.functions[at]!]!] ?? {};
    for (const [name, amount] of Object.entries(cost)) held[name]! -= amount;
  }

  /** Checks the state after the last event. */
  end(expected: readonly string[]): void {
    for (const id of expected) check(this.#over.has(id), () => `run ${id} never ends: ${this.#storyOf(id)}`);
    check(this.#state.batches.size === 0, () => `${this.#state.batches.size} batches are open after the end`);
    for (const [name, { used }] of this.#state.limits)
      check(used === 0, () => `${used} of limit ${name} is in use after the end`);
    for (const node of this.#state.nodes) {
      const free = Object.keys(node.capabilities).every((name) => Math.abs(amountOf(node.claimed, name)) < 1e-9);
      check(
        free && (!node.up || this.#state.tracker.available(node.name, node.capabilities)),
        () => `claims on ${node.name} are left after the end`,
      );
    }
    const timers = [...this.#state.timers.values()].filter(({ kind }) => kind !== 'rebalance');
    check(timers.length === 0, () => `timers are left after the end: ${timers.map(({ kind }) => kind).join(', ')}`);
  }

  /** Checks that an event of an earlier incarnation of a node changes nothing. */
  #onNodeEvent(
    { type, node: name, incarnation }: Extract<Event, { readonly incarnation: number }>,
    threadsBefore: number,
  ): void {
    const node = this.#state.nodeByName.get(name)!;
    const isStale = incarnation < node.incarnation || (!node.up && type !== 'NodeUp');
    check(
      !isStale || node.threadsUp === threadsBefore,
      () =>
        `${type} of incarnation ${incarnation} of ${name} is believed, which is at ${node.incarnation} and ${node.up ? 'up' : 'down'}`,
    );
  }

  #started(batch: Batch): void {
    const { run, functions, thread } = batch;
    check(!this.#over.has(run.id), () => `batch ${batch.id} of run ${run.id} is started after its end`);
    check(
      thread.node.up && thread.up,
      () => `batch ${batch.id} is sent to ${thread.node.name}:${thread.index}, which is gone`,
    );
    this.#open.set(batch.id, batch);
    for (const i of functions) {
      const key = keyOf(run, i);
      check(!this.#isSkipped.has(key), () => `${label(run, i)} is started, and was skipped`);
      check(!this.#done.has(key), () => `${label(run, i)} is run again although its result is there`);
      const others = this.#inFlight.get(key) ?? new Set();
      const mayRunTwice =
        batch.contest?.isCopy === true &&
        run.settings.speculate !== undefined &&
        run.settings.speculate !== null &&
        run.plan.entries[i]!.traits.idempotent;
      check(
        others.size === 0 || (mayRunTwice && others.size === 1),
        () => `${label(run, i)} is started in batch ${batch.id} while batch ${[...others].join(' and ')} runs it`,
      );
      check(
        others.size === 1 || batch.contest === null,
        () => `${label(run, i)} is copied in batch ${batch.id}, and nothing runs it`,
      );
      const pin = run.plan.pins.get(i);
      check(
        pin === undefined || pin === thread.node.name,
        () => `${label(run, i)} is started on ${thread.node.name}, and pinned to ${pin}`,
      );
      check(
        !thread.batches.some(({ id }) => others.has(id)),
        () => `${label(run, i)} is copied onto the thread that it holds`,
      );
      check(
        this.#now() >= (this.#notBefore.get(key) ?? 0) - 1e-6,
        () => `${label(run, i)} is tried again before its delay is over`,
      );
      this.#inFlight.set(key, others.add(batch.id));
    }
  }

  /** Checks that a result exists when it is sent to a function that takes it. */
  check(run: Run, taker: number, dep: number): void {
    check(
      this.#stored.has(keyOf(run, dep)),
      () => `${label(run, taker)} is sent, and the result of ${label(run, dep)} is not there`,
    );
  }

  /** Checks that all elements of a map, or all functions of a graph, are done, and that their owner was not. */
  #gathered(run: Run, owner: number): void {
    const key = keyOf(run, owner);
    for (const i of elementsOf(spanOfOwner(run, owner) ?? expansionOfOwner(run, owner)!))
      check(
        this.#done.has(keyOf(run, i)) || this.#isSkipped.has(keyOf(run, i)),
        () => `${label(run, owner)} is gathered without ${label(run, i)}`,
      );
    check(!this.#done.has(key), () => `${label(run, owner)} is gathered twice`);
    this.#done.add(key);
    this.#stored.add(key);
  }

  /** Checks that a function never started, and that its condition or a skipped input is the reason. */
  #skipped(run: Run, i: number): void {
    const key = keyOf(run, i);
    check(!this.#done.has(key) && !this.#inFlight.has(key), () => `${label(run, i)} is skipped, and was started`);
    check(!this.#isSkipped.has(key), () => `${label(run, i)} is skipped twice`);
    this.#isSkipped.add(key);
  }

  #recomputed(run: Run, i: number): void {
    check(this.#done.delete(keyOf(run, i)), () => `${label(run, i)} is made again, and was not done`);
    this.#isSettled.delete(keyOf(run, i)); // it may succeed this time
    this.#stored.delete(keyOf(run, i));
    // It is not read itself, but what it consists of.
    if (run.growth?.byOwner.has(i) === true || run.growth?.expansions.has(i) === true) return;
    if (spanOf(run, i) !== undefined || expansionOf(run, i) !== undefined)
      return check(
        run.unread === null || run.unread[i]! > 0 || run.settings.kept![i] === 1,
        () => `${label(run, i)} is made again, but not needed`,
      );
    const { outOffset, outs } = run.plan;
    const { kept } = run.settings;
    const isRead = [...outs.subarray(outOffset[i]!, outOffset[i + 1]!)].some(
      (next) => run.status[next] !== Status.done && run.status[next] !== Status.skipped,
    );
    check(isRead || kept === null || kept[i] === 1, () => `${label(run, i)} is made again, but not needed`);
  }

  #retried(run: Run, i: number, attempts: number, delay: number): void {
    this.#count(run, i, attempts);
    check(
      attempts <= allowed(run, i),
      () => `${label(run, i)} is tried again after ${attempts} attempts of ${allowed(run, i) + 1}`,
    );
    this.#notBefore.set(keyOf(run, i), this.#now() + delay);
  }

  #failed(run: Run, i: number, attempts: number, kind: string): void {
    if (kind === 'node-down' || kind === 'begun' || kind === 'too-large' || kind === 'lost' || kind === 'aborted')
      return;
    this.#count(run, i, attempts);
    check(
      attempts === allowed(run, i) + 1,
      () => `${label(run, i)} fails for good after ${attempts} attempts of ${allowed(run, i) + 1}`,
    );
  }

  #count(run: Run, i: number, attempts: number): void {
    const before = this.#failures.get(keyOf(run, i)) ?? 0;
    check(
      !this.#inFlight.has(keyOf(run, i)),
      () =>
        `${label(run, i)} is said to have failed while batch ${[...(this.#inFlight.get(keyOf(run, i)) ?? [])].join(' and ')} runs it`,
    );
    check(attempts === before + 1, () => `${label(run, i)} has failed ${before} times, and now says ${attempts}`);
    this.#failures.set(keyOf(run, i), attempts);
  }

  /** Whether a function is part of the graph of an element whose result is an error. */
  #isInSettled(run: Run, i: number): boolean {
    for (let at: number | undefined = i; at !== undefined;) {
      at = spanOf(run, at)?.owner ?? expansionOf(run, at)?.owner;
      if (at !== undefined && this.#isSettled.has(keyOf(run, at))) return true;
    }
    return false;
  }

  #finished(run: Run): void {
    this.#over.add(run.id);
    for (let i = 0; i < run.plan.size; i++)
      check(
        run.status[i] === Status.skipped
          ? !this.#stored.has(keyOf(run, i))
          : this.#done.has(keyOf(run, i)) || this.#isInSettled(run, i),
        () => `run ${run.id} finishes without ${label(run, i)}`,
      );
  }

  /** Accounts for functions that are no longer at a thread. */
  #settle(): void {
    for (const batch of this.#open.values()) {
      const open = this.#state.batches.get(batch.id) === batch;
      batch.functions.forEach((i, at) => {
        const key = keyOf(batch.run, i);
        const flying = this.#inFlight.get(key);
        if (flying?.has(batch.id) !== true || (open && at >= batch.done && at < batch.size)) return;
        flying.delete(batch.id);
        const status = batch.run.status[i]!;
        const hasAnswered = status === Status.growing || status === Status.open; // with a graph
        if (flying.size === 0 || status === Status.done || hasAnswered) this.#inFlight.delete(key);
        if (status !== Status.done && !hasAnswered) return;
        for (const other of flying) this.#beaten.push(this.#open.get(other)!);
        if (hasAnswered) return;
        if (this.#isSettled.has(key)) return;
        check(!this.#timedOut.has(batch.id), () => `${label(batch.run, i)} is done by an attempt whose time was over`);
        const { node } = batch.thread;
        check(
          batch.run.node[i] === node.index,
          () =>
            `${label(batch.run, i)} is done by ${node.name}, and noted as done by ${this.#state.nodes[batch.run.node[i]!]?.name}`,
        );
        this.#done.add(key);
        this.#stored.add(key);
      });
      if (!open) this.#open.delete(batch.id);
    }
  }

  #storyOf(id: string): string {
    const run = this.#state.runs.get(id);
    if (run === undefined) return 'the scheduler does not know it';
    const stuck = run.plan.entries.flatMap((entry, i) => {
      const status = run.status[i]!;
      return ended.has(status) ? [] : [`${entry.id} is ${statusNames[status]}, missing ${run.missing[i]}`];
    });
    return `${run.unfinished} functions are left: ${stuck.slice(0, 5).join('; ')}`;
  }
}

const ended: ReadonlySet<number> = new Set([Status.done, Status.failed, Status.unreachable, Status.skipped]);

const statusNames = Object.fromEntries(Object.entries(Status).map(([name, value]) => [value, name]));

function allowed(run: Run, i: number): number {
  return run.plan.entries[i]!.traits.maxRetries ?? run.settings.maxRetries;
}

function keyOf(run: Run, i: number): string {
  return `${run.id}/${i}`;
}

function label(run: Run, i: number): string {
  return `${run.id}/${run.plan.entries[i]!.id}`;
}

function check(holds: boolean, message: () => string): void {
  if (!holds) throw new Violation(message());
}
