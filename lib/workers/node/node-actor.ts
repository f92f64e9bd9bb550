/** A node: an actor with declared capabilities, whose worker threads are its children. */
import type { Exit, Running, TreeNode } from '../supervision/child.ts';
import { Supervisor } from '../supervision/supervisor.ts';
import { toErrorWire } from '../../core/error-wire.ts';
import { HandoffError } from '../../core/errors.ts';
import { importTooSlow } from '../code/module-error.ts';
import type { PayloadData } from '../store/payload.ts';
import type { CodeList } from './code-registry.ts';
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
  readonly #codes: CodeList;
  readonly #events: NodeEvents;
  readonly #threads: (WorkerThread | undefined)[] = [];
  readonly #inspections: Inspections;
  /** Told when a thread is up again that was started anew on purpose. */
  readonly #restarted = new Map<number, () => void>();
  #gone = false;
  /** Told of every batch just before it is sent, where somebody measures. */
  onSend: ((index: number, thread: WorkerThread, batch: OutgoingBatch) => void) | undefined;

  /**
   * @param most how many threads it may ever have
   * @param isWanted whether work waits for threads, as far as is known
   */
  constructor(
    settings: NodeSettings,
    most: number,
    codes: CodeList,
    events: NodeEvents,
    isWanted: () => boolean = () => true,
  ) {
    this.settings = settings;
    this.#codes = codes;
    this.#events = events;
    this.#pool = new ThreadPool(settings, most);
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
   * Starts its threads, all at once; resolves when all are ready.
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

  /** The threads that are up. */
  get threads(): number[] {
    return this.#threads.flatMap((thread, index) => (thread === undefined ? [] : index));
  }

  /** Its threads, which somebody may measure. */
  get running(): readonly WorkerThread[] {
    return this.#threads.filter((thread) => thread !== undefined);
  }

  /** Starts more threads, until there are as many. */
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
      down: (crash, started) => {
        this.#threads[index] = undefined;
        this.#events.threadDown(index, crash, started);
      },
    };
    const start = async (): Promise<Running> => {
      this.#codes.versions.verify(); // it will import what there is now
      return WorkerThread.start(this.#pool, this.#codes, events, (thread) => (this.#threads[index] = thread));
    };
    return this.#supervisor.startChild({ id: `worker-${index}`, start });
  }

  /** Threads of one process share memory. */
  travelling(data: PayloadData): PayloadData {
    return data;
  }

  /** @throws V8's error when a value among the items cannot be sent; the thread is then as before */
  send(thread: number, batch: OutgoingBatch): void {
    const to = this.#threads[thread]!;
    this.onSend?.(thread, to, batch);
    to.send(batch);
  }

  /**
   * Lets two threads hand results to each other.
   *
   * @param other a node of the same process, which may be this one
   */
  connect(thread: number, other: NodeLink, otherThread: number): void {
    const [from, to] = [this.#threads[thread], (other as NodeActor).#threads[otherThread]];
    if (from !== undefined && to !== undefined) from.connect(to);
  }

  /** By which other threads know a thread; -1 when it is gone. */
  addressOf(thread: number): number {
    return this.#threads[thread]?.address ?? -1;
  }

  /** Takes back up to `count` functions of a batch; gives how many. */
  takeBack(thread: number, batch: number, count: number): number {
    return this.#threads[thread]?.takeBack(batch, count) ?? 0;
  }

  /** How many functions of a batch have begun. */
  begun(thread: number, batch: number): number {
    return this.#threads[thread]?.begun(batch) ?? 0;
  }

  /** When what a thread runs began; see there. */
  turnAt(thread: number): number {
    return this.#threads[thread]?.turnAt ?? 0;
  }

  /** Cancels a batch; gives how many of its functions were taken back. */
  cancel(thread: number, batch: number, why: 'aborted' | 'timeout'): number {
    return this.#threads[thread]?.cancel(batch, why) ?? 0;
  }

  kill(thread: number, batch?: number): boolean {
    return this.#threads[thread]?.kill(batch) ?? true;
  }

  /**
   * Imports a module in a thread, and tells what it exports. Callers who ask for the same module wait for one import.
   *
   * @param givenUp rejects when nobody wants to know any more
   */
  describe(url: string, givenUp: Promise<never>): Promise<ModuleDescription> {
    const { importTimeout: limit } = this.settings;
    const late = (): ModuleDescription => ({ ok: false, error: toErrorWire(importTooSlow(url, limit)) });
    return this.#inspections.ask(
      { key: `module:${url}`, ask: (control) => control.describe(url, this.#codes.versions.filesOf(url)), limit, late },
      givenUp,
    );
  }

  /** The free variables of a function that is given as source. */
  freeVariables(source: string, givenUp: Promise<never>): Promise<SourceDescription> {
    return this.#inspections.ask({ key: `source:${source}`, ask: (control) => control.freeVariables(source) }, givenUp);
  }

  /** Work has come for its threads: those that import for long without end are given back. */
  workArrived(): void {
    this.#inspections.giveBack();
  }

  /** What a thread imports now; undefined: nothing. */
  importing(thread: number): Importing | undefined {
    return this.#threads[thread]?.importing;
  }

  async stop(): Promise<void> {
    await this.#supervisor.stop();
    await this.exited;
  }

  /** Starts all its threads anew; resolves when they are up. What they run is put back, and costs no attempt. */
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

  /** Ends its threads at once, whatever they do. */
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

  /** A thread of its own for questions, beside the pool. */
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

const silent: ThreadEvents = { up() {}, down() {}, started() {}, ended() {}, log() {}, printed() {}, ask() {} };
