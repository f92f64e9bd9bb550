/** A node: an actor with declared capabilities. Its threads are its children. */
import type { Exit, Running, TreeNode } from '../supervision/child.ts';
import { Supervisor } from '../supervision/supervisor.ts';
import { toErrorWire } from '../../core/error-wire.ts';
import { HandoffError } from '../../core/errors.ts';
import { importTooSlow } from '../code/module-error.ts';
import type { PayloadData } from '../store/payload.ts';
import type { CodeRegistry } from './code-registry.ts';
import { Inspections } from './inspections.ts';
import { WorkerThread } from './worker-thread.ts';
import type { Importing, ThreadEvents, OutgoingBatch } from './thread-messages.ts';
import type { NodeEvents, NodeLink } from './node-link.ts';
import { type NodeSettings, ThreadPool } from './thread-pool.ts';
import type { ModuleDescription, SourceDescription } from './wire.ts';

export class NodeActor implements Running, NodeLink {
  readonly host = 0;
  readonly hostName = undefined;
  settings: NodeSettings;
  readonly exited: Promise<Exit>;
  readonly #pool: ThreadPool;
  readonly #supervisor: Supervisor;
  readonly #codes: CodeRegistry;
  readonly #events: NodeEvents;
  readonly #threads: (WorkerThread | undefined)[] = [];
  readonly #inspections: Inspections;
  /** Called when a thread that was restarted on purpose is up again. */
  readonly #restarted = new Map<number, () => void>();
  #gone = false;
  /** Called with every batch just before it is sent, for measurements. */
  onSend: ((index: number, thread: WorkerThread, batch: OutgoingBatch) => void) | undefined;

  /**
   * @param maxThreads how many threads it may ever have
   * @param isWanted whether any work is known to wait for threads
   */
  constructor(
    settings: NodeSettings,
    maxThreads: number,
    codes: CodeRegistry,
    events: NodeEvents,
    isWanted: () => boolean = () => true,
  ) {
    this.settings = settings;
    this.#codes = codes;
    this.#events = events;
    this.#pool = new ThreadPool(settings, maxThreads);
    this.#inspections = new Inspections({
      threads: this.#threads,
      isWanted,
      busy: (index) => events.threadBusy(index),
      free: (index) => events.threadFree(index),
      extra: () => this.#startExtra(),
      refusal: () => this.#refusal(),
    });
    this.#supervisor = new Supervisor({
      strategy: 'one-for-one',
      onRestart: (child) => events.threadRestarted(Number(child.slice('worker-'.length))),
    });
    this.exited = this.#supervisor.exited.then(async (exit) => {
      this.#gone = true;
      await this.#pool.destroy();
      return exit;
    });
  }

  get gone(): boolean {
    return this.#gone;
  }

  /**
   * Starts all threads at once; resolves when all are ready.
   *
   * @throws `WORKER_CRASHED` when a thread cannot start; the node is then stopped
   */
  async launch(): Promise<this> {
    try {
      await this.grow(this.settings.threads);
      return this;
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /** Indexes of the threads that are up. */
  get threads(): number[] {
    return this.#threads.flatMap((thread, index) => (thread === undefined ? [] : index));
  }

  /** The threads that are up, for measurements. */
  get running(): readonly WorkerThread[] {
    return this.#threads.filter((thread) => thread !== undefined);
  }

  /** Starts threads until there are `threads`. */
  async grow(threads: number): Promise<void> {
    const missing = Math.max(0, threads - this.#threads.length);
    const indexes = Array.from({ length: missing }, () => this.#threads.push(undefined) - 1);
    await Promise.all(indexes.map((index) => this.#startThread(index)));
  }

  #startThread(index: number): Promise<Running> {
    const events: ThreadEvents = {
      ...this.#events,
      up: () => {
        this.#events.threadUp(index);
        this.#restarted.get(index)?.();
        this.#restarted.delete(index);
        this.#inspections.next();
      },
      ended: (batch, report) => {
        this.#events.ended(batch, report);
        if (this.#inspections.waiting) this.#inspections.next();
      },
      blocked: (batch, ms) => this.#events.threadBlocked(index, batch, ms),
      down: (crash, started) => {
        this.#threads[index] = undefined;
        this.#events.threadDown(index, crash, started);
      },
    };
    const start = async (): Promise<Running> => {
      this.#codes.versions.verify(); // the new thread will import the files as they are now
      return WorkerThread.start(this.#pool, this.#codes, events, (thread) => (this.#threads[index] = thread));
    };
    return this.#supervisor.startChild({ id: `worker-${index}`, start });
  }

  /** The threads of one process share memory. */
  travelling(data: PayloadData): PayloadData {
    return data;
  }

  /** @throws V8's error when a value cannot be sent; the thread is then unchanged */
  send(thread: number, batch: OutgoingBatch): void {
    const to = this.#threads[thread]!;
    this.onSend?.(thread, to, batch);
    to.send(batch);
  }

  /**
   * Connects two threads, so that they can pass results to each other.
   *
   * @param other a node of the same process; may be this one
   */
  connect(thread: number, other: NodeLink, otherThread: number): void {
    const [from, to] = [this.#threads[thread], (other as NodeActor).#threads[otherThread]];
    if (from !== undefined && to !== undefined) from.connect(to);
  }

  /** The address by which other threads know this one; -1: it is gone. */
  addressOf(thread: number): number {
    return this.#threads[thread]?.address ?? -1;
  }

  /** Sets the time from which on its threads report every function soon. */
  reportFrom(at: number): void {
    for (const thread of this.#threads) if (thread !== undefined) thread.reportFrom = at;
  }

  /** Takes back up to `count` functions of a batch. @returns how many */
  takeBack(thread: number, batch: number, count: number): number {
    return this.#threads[thread]?.takeBack(batch, count) ?? 0;
  }

  /** How many functions of a batch have begun. */
  begun(thread: number, batch: number): number {
    return this.#threads[thread]?.begun(batch) ?? 0;
  }

  /** When the running function began: see `WorkerThread`. */
  turnAt(thread: number): number {
    return this.#threads[thread]?.turnAt ?? 0;
  }

  /** Cancels a batch. @returns how many of its functions were taken back */
  cancel(thread: number, batch: number, why: 'aborted' | 'timeout'): number {
    return this.#threads[thread]?.cancel(batch, why) ?? 0;
  }

  kill(thread: number, batch?: number): boolean {
    return this.#threads[thread]?.kill(batch) ?? true;
  }

  /**
   * Imports a module in a thread and describes its exports. Callers with the same module share one import.
   *
   * @param givenUp rejects when the answer is no longer needed
   */
  describe(url: string, givenUp: Promise<never>): Promise<ModuleDescription> {
    const { importTimeout: limit } = this.settings;
    const late = (): ModuleDescription => ({ ok: false, error: toErrorWire(importTooSlow(url, limit)) });
    return this.#inspections.ask(
      { key: `module:${url}`, ask: (control) => control.describe(url, this.#codes.versions.filesOf(url)), limit, late },
      givenUp,
    );
  }

  /** The free variables of a function given as source. */
  freeVariables(source: string, givenUp: Promise<never>): Promise<SourceDescription> {
    return this.#inspections.ask({ key: `source:${source}`, ask: (control) => control.freeVariables(source) }, givenUp);
  }

  /** Work has arrived for the threads: takes back those that have been importing for long. */
  workArrived(): void {
    this.#inspections.giveBack();
  }

  /** The module that a thread imports now; undefined: none. */
  importing(thread: number): Importing | undefined {
    return this.#threads[thread]?.importing;
  }

  async stop(): Promise<void> {
    await this.#supervisor.stop();
    await this.exited;
  }

  /** Restarts all threads; resolves when they are up. What they run is requeued and costs no attempt. */
  async restartThreads(): Promise<void> {
    const up = this.#threads.flatMap((thread, index) => {
      if (thread === undefined) return [];
      const again = new Promise<void>((resolve) => this.#restarted.set(index, resolve));
      this.#events.threadBusy(index);
      thread.kill();
      return again;
    });
    await Promise.race([Promise.all(up), this.exited]);
  }

  /** Ends all threads at once. */
  killAll(): void {
    for (const thread of this.#threads) thread?.kill();
  }

  inspect(): Omit<TreeNode, 'id' | 'restarts' | 'state'> {
    const { capabilities, speed } = this.settings;
    const threads = this.#threads.filter((thread) => thread !== undefined).length;
    return { ...this.#supervisor.inspect(), info: { capabilities, threads, speed } };
  }

  #refusal(): HandoffError | undefined {
    const { name } = this.settings;
    if (this.#gone) return new HandoffError('NODE_DOWN', `Node ${name} is gone.`, { node: name });
    return this.#supervisor.stopping
      ? new HandoffError('NODE_DOWN', `Node ${name} was removed while it looked into code.`, { node: name })
      : undefined;
  }

  /** Starts a thread for questions, beside the pool. */
  async #startExtra(): Promise<{ readonly thread: WorkerThread; end(): Promise<void> }> {
    const pool = new ThreadPool({ ...this.settings, threads: 1 }, 1);
    try {
      const thread = await WorkerThread.start(pool, this.#codes, silent, () => {});
      return { thread, end: () => pool.destroy() };
    } catch (error) {
      await pool.destroy();
      throw error;
    }
  }
}

const silent: ThreadEvents = {
  up() {},
  down() {},
  started() {},
  ended() {},
  together(receive) {
    receive();
  },
  blocked() {},
  log() {},
  progress() {},
  printed() {},
  ask() {},
};
