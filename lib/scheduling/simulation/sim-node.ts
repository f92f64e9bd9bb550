/** A node in virtual time: its threads, a link to the orchestrator in each direction, and its deaths. */
import { Flag } from '../../dag/compile/compiled-dag.ts';
import type { Run } from '../scheduler/state.ts';
import type { Capabilities } from '../../dag/types.ts';
import type { EventQueue } from './event-queue.ts';
import { maxLateMs, type ResolvedFaults } from './faults.ts';
import { Link } from './link.ts';
import type { Random } from '../../core/random.ts';
import { SimSharedThread } from './sim-shared-thread.ts';
import type { Behaviour, SimFailure, ThreadWorld } from './sim-thread.ts';
import type { Happening, SentBatch, ToNode } from './wire.ts';

export interface NodeShape {
  readonly name: string;
  readonly capabilities: Capabilities;
  readonly threads: number;
  readonly speed: number;
  /** The node's host. Default 0: the orchestrator's host. */
  readonly host?: number;
  /** How many concurrent functions a thread holds. Default 64. */
  readonly concurrency?: number;
}

/** The services that a node needs from the simulation. */
export interface NodeWorld {
  readonly eventQueue: EventQueue;
  readonly random: Random;
  readonly faults: ResolvedFaults;
  /** ms that a message takes. */
  readonly latency: number;
  feed(happening: Happening): void;
  /** ms that a function takes on a node of speed 1. */
  durationOf(sent: SentBatch, at: number): number;
  /** Whether a function answers with a graph. */
  expands(run: Run, i: number): boolean;
  /** Whether the result of a condition is falsy. */
  isFalsy(run: Run, i: number): boolean;
  /** The size in bytes of a result that is best read where it is; 0 for others. */
  bytesOf(run: Run, i: number): number;
  /** For observers: what happens at the node itself, reported or not. */
  began(node: SimNode, sent: SentBatch, at: number): void;
  ended(node: SimNode, sent: SentBatch, at: number, gave: boolean): void;
  /** Hands a result to another thread. */
  handOver(to: { readonly node: string; readonly thread: number }, batch: number, place: number, gave: boolean): void;
  note(text: string): void;
}

// ms until a dead thread returns.
const threadReturn = 5;

export class SimNode {
  readonly shape: NodeShape;
  incarnation = 0;
  up = false;
  #hasEnded = false;
  readonly #world: NodeWorld;
  #threads: (SimSharedThread | undefined)[] = [];
  /** By thread: the number of its ends in this incarnation. */
  #downs: number[] = [];
  #toNode: Link<ToNode> | undefined;
  #toUs: Link<Happening> | undefined;

  constructor(shape: NodeShape, world: NodeWorld) {
    this.shape = shape;
    this.#world = world;
  }

  /** Starts the node with a new incarnation. */
  start(): void {
    if (this.#hasEnded) return;
    const { name, capabilities, speed, threads, host = 0, concurrency } = this.shape;
    const incarnation = ++this.incarnation;
    this.up = true;
    this.#downs = new Array<number>(this.shape.threads).fill(0);
    const { eventQueue, random, faults, latency } = this.#world;
    const options = {
      latency,
      silence: faults.silence,
      faults: { loss: faults.loss, duplication: faults.duplication, lateness: faults.lateness, late: maxLateMs },
    };
    // If either direction breaks, the node restarts. Its messages under way may still arrive.
    const broken = (): void => {
      if (this.incarnation === incarnation && this.up) this.#die('its link broke');
    };
    this.#toNode = new Link<ToNode>(eventQueue, random, options, (message) => this.#receive(message), broken);
    this.#toUs = new Link<Happening>(eventQueue, random, options, (happening) => this.#world.feed(happening), broken);
    this.#world.note(`${name} is up, incarnation ${incarnation}`);
    this.#toUs.send({ type: 'NodeUp', node: name, incarnation, capabilities, speed, host, concurrency });
    this.#threads = Array.from({ length: threads }, (_, thread) => this.#createThread(thread));
    for (let thread = 0; thread < threads; thread++)
      this.#toUs.send({ type: 'ThreadUp', node: name, incarnation, thread });
    if (faults.nodeDeaths > 0) {
      eventQueue.in(random.exponential(faults.nodeDeaths / 1000), () => {
        if (this.incarnation === incarnation && this.up) this.#die('it died');
      });
    }
  }

  /** @param incarnation the incarnation for which the message is meant; no other one receives it */
  send(message: ToNode, incarnation: number): void {
    if (this.up && incarnation === this.incarnation) this.#toNode!.send(message);
  }

  /** Ends the node for good, without a word. */
  end(): void {
    this.#hasEnded = true;
    this.up = false;
    for (const thread of this.#threads) thread?.die();
    this.#threads = [];
    this.#toNode!.cut();
    this.#toUs!.cut();
  }

  /** Receives a result for one of its threads. */
  import(thread: number, batch: number, place: number, gave: boolean): void {
    this.#threads[thread]?.import(batch, place, gave);
  }

  #die(why: string): void {
    const { eventQueue, faults, feed } = this.#world;
    const { name } = this.shape;
    const { incarnation } = this;
    this.#world.note(`${name} is gone: ${why}`);
    this.up = false;
    // Some hosts report the end of their threads before they die.
    const reports = this.#world.random.chance(0.5);
    for (const [index, thread] of this.#threads.entries()) {
      if (reports && thread !== undefined)
        this.#toUs!.send({
          type: 'ThreadDown',
          node: name,
          incarnation,
          thread: index,
          crash: { reason: 'killed' },
          started: thread.started,
          random: 0,
        });
      thread?.die();
    }
    this.#threads = [];
    this.#toNode!.cut();
    eventQueue.in(faults.silence, () => {
      if (this.incarnation === incarnation) feed({ type: 'NodeDown', node: name, returning: true });
    });
    eventQueue.in(faults.nodeReturn, () => this.start());
  }

  #receive(message: ToNode): void {
    if (!this.up) return;
    const thread = this.#threads[message.thread];
    switch (message.type) {
      case 'start':
        return message.downs === this.#downs[message.thread] ? thread?.accept(message.sent) : undefined;
      case 'take-back':
        return this.#takeBack(thread, message.batch, message.count);
      case 'cancel':
        this.#takeBack(thread, message.batch, Infinity);
        return thread?.cancel(message.batch);
      case 'kill':
        if (thread?.runs(message.batch) === true) this.#endThread(message.thread, 'killed');
        else if (thread !== undefined)
          this.#toUs!.send({
            type: 'ThreadUp',
            node: this.shape.name,
            incarnation: this.incarnation,
            thread: message.thread,
          }); // the thread continues
        return;
    }
  }

  #takeBack(thread: SimSharedThread | undefined, batch: number, count: number): void {
    // Nothing can be taken back from a finished batch. Its last report is under way.
    const limit = thread?.takeBack(batch, count) ?? Infinity;
    this.#toUs!.send({ type: 'TakenBack', batch, limit });
  }

  /** @param batch the batch that is known to have killed it */
  #endThread(index: number, reason: 'killed' | 'exit', batch?: number): void {
    const { eventQueue, random } = this.#world;
    const { incarnation } = this;
    const { name } = this.shape;
    const thread = this.#threads[index]!;
    const { started } = thread;
    thread.die();
    this.#threads[index] = undefined;
    this.#downs[index]!++;
    this.#toUs!.send({
      type: 'ThreadDown',
      node: name,
      incarnation,
      thread: index,
      crash: { reason, batch },
      started,
      random: random.next(),
    });
    eventQueue.in(threadReturn, () => {
      if (this.incarnation !== incarnation || !this.up) return;
      this.#threads[index] = this.#createThread(index);
      this.#toUs!.send({ type: 'ThreadUp', node: name, incarnation, thread: index });
    });
  }

  #createThread(index: number): SimSharedThread {
    const world = this.#world;
    const { eventQueue, random } = world;
    const thread: ThreadWorld = {
      eventQueue,
      behaviourOf: (sent, at) => this.#behaviourOf(sent, at),
      begins: (sent, at) => world.began(this, sent, at),
      ends: (sent, at, gave) => world.ended(this, sent, at, gave),
      announces: ({ batch }, at) => this.#toUs!.send({ type: 'FunctionStarted', batch: batch.id, index: at }),
      reports: ({ batch }, first, outcomes, ms) => this.#report(batch, first, outcomes, ms),
      exports: (to, batch, place, gave) => world.handOver(to, batch, place, gave),
      // A crash of a thread with several functions does not always show which one is at fault.
      crashed: ({ batch: { id, thread: lane } }) =>
        this.#endThread(index, 'exit', lane.of !== null && random.chance(0.5) ? id : undefined),
      heeds: () => random.chance(0.7),
    };
    return new SimSharedThread(thread);
  }

  #report(
    { id, run, functions }: SentBatch['batch'],
    first: number,
    outcomes: readonly (SimFailure | undefined)[],
    ms: number,
  ): void {
    const code = run.settings.codes[run.plan.code[functions[first]!]!]!;
    const falsy = outcomes.flatMap((failure, k) => {
      const i = functions[first + k]!;
      const decides = (run.plan.flags[i]! & Flag.decides) !== 0;
      return decides && failure === undefined && this.#world.isFalsy(run, i) ? [first + k] : [];
    });
    const exceptions = outcomes.flatMap((failure, k) =>
      failure === undefined ? [] : [{ index: first + k, ...failure }],
    );
    const large = outcomes.flatMap((failure, k) => {
      const bytes = failure === undefined ? this.#world.bytesOf(run, functions[first + k]!) : 0;
      return bytes === 0 ? [] : [{ index: first + k, bytes }];
    });
    this.#toUs!.send({
      type: 'FunctionsEnded',
      batch: id,
      first,
      count: outcomes.length,
      exceptions,
      durations: [{ code, count: 1, ms }],
      random: exceptions.length > 0 ? this.#world.random.next() : 0,
      falsy,
      ...(large.length > 0 && { large }),
    });
  }

  #behaviourOf(sent: SentBatch, at: number): { readonly behaviour: Behaviour; readonly ms: number } {
    const { random, faults } = this.#world;
    const ms = (this.#world.durationOf(sent, at) / this.shape.speed) * (random.chance(faults.slow) ? 10 : 1);
    const { run, functions } = sent.batch;
    if (random.chance(faults.failure)) return { behaviour: 'fails', ms };
    if (random.chance(faults.crash)) return { behaviour: 'crashes', ms };
    if (run.plan.entries[functions[at]!]!.traits.timeout !== undefined && random.chance(faults.hang))
      return { behaviour: 'hangs', ms };
    return { behaviour: this.#world.expands(run, functions[at]!) ? 'expands' : 'succeeds', ms };
  }
}
