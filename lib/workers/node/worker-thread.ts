/** One worker thread as its node sees it: what was sent to it, and what comes back. */
import { MessageChannel, type MessagePort, type Worker } from 'node:worker_threads';
import type { ErrorWire } from '../../core/error-wire.ts';
import { type Exit, type Running } from '../supervision/child.ts';
import { fromErrorWire, toErrorWire } from '../../core/error-wire.ts';
import { HandoffError } from '../../core/errors.ts';
import { fromValueWire, toValueWire, type ValueWire } from '../store/value-wire.ts';
import type { CodeList } from './code-registry.ts';
import { type LongTimeout, setLongTimeout } from '../../core/long-timeout.ts';
import type { FileMark } from '../code/file-mark.ts';
import { importTooSlow } from '../code/module-error.ts';
import type { Answer, BatchReport, Importing, ThreadEvents, OutgoingBatch } from './thread-messages.ts';
import type { PoolThread, ThreadExit, ThreadPool } from './thread-pool.ts';
import { ProgramRing } from './program.ts';
import {
  begunOf,
  type Control,
  type FailureWire,
  FromWorker,
  newCursor,
  ReportKind,
  slots,
  takeBackLast,
  ToWorker,
} from './wire.ts';

interface Outstanding {
  readonly slot: number;
  readonly size: number;
  /** Its program lies in the ring. */
  readonly ringed: boolean;
  told: number;
}

let lastAddress = 0;

export class WorkerThread implements Running {
  /** By which other workers know this one. Never used again. */
  readonly address = ++lastAddress;
  readonly exited: Promise<Exit>;
  readonly #poolThread: PoolThread;
  readonly #codes: CodeList;
  readonly #events: ThreadEvents;
  readonly #programs: ProgramRing;
  /** Workers with a port to this one. */
  readonly #peers = new Set<WorkerThread>();
  readonly #outstanding = new Map<number, Outstanding>();
  readonly #freeSlots = Array.from({ length: slots }, (_, slot) => slot);
  readonly #ready = Promise.withResolvers<boolean>();
  /** Modules that it imports now, the first begun first, and what ends it when that takes too long. */
  readonly #imports = new Map<string, Importing & { readonly timer: LongTimeout | undefined }>();
  readonly #importTimeout: number;
  /** An import took too long, and it is ended for that. */
  #stuck: HandoffError | undefined;
  /** Modules that the thread knows the files of. */
  readonly #told = new Set<string>();
  #defined = 0;
  #turnAt = 0;
  #crash: ErrorWire | undefined;
  #stopping = false;
  /** User code has been in it: whatever ends it from then on may be that code's doing. */
  #used = false;
  #up = false;
  #gone = false;
  /** It is being ended, and that has been told. */
  #ending = false;

  private constructor(thread: PoolThread, codes: CodeList, events: ThreadEvents, importTimeout: number) {
    this.#importTimeout = importTimeout;
    this.#poolThread = thread;
    this.#codes = codes;
    this.#events = events;
    this.#programs = new ProgramRing(thread.programs);
    thread.port.on('message', (message: unknown[]) => this.#receive(message));
    thread.port.on('messageerror', (error) => this.#unreadable(error));
    thread.port.unref(); // what is under way keeps the process alive, and no idle thread
    this.exited = thread.ended.then((exit) => this.#onEnded(exit));
  }

  /**
   * Starts a thread, and resolves when it is ready.
   *
   * @param onReady given the thread just before `events.up` is told
   * @throws `WORKER_CRASHED` when it ends before that
   */
  static async start(
    pool: ThreadPool,
    codes: CodeList,
    events: ThreadEvents,
    onReady: (thread: WorkerThread) => void,
  ): Promise<WorkerThread> {
    const thread = new WorkerThread(pool.attach(), codes, events, pool.importTimeout);
    if (await thread.#ready.promise) {
      thread.#up = true;
      onReady(thread);
      events.up();
      return thread;
    }
    const { error } = await thread.exited;
    throw new HandoffError('WORKER_CRASHED', 'A worker thread ended before it was ready.', { cause: error });
  }

  /** Whether nothing has been sent to it that it has not told of. */
  get idle(): boolean {
    return this.#outstanding.size === 0;
  }

  /** Whether its thread has been told to end, or has ended. */
  get gone(): boolean {
    return this.#gone;
  }

  /** What it imports now. */
  get importing(): Importing | undefined {
    return this.#imports.values().next().value;
  }

  /** What is measured of its thread. */
  get worker(): Worker | undefined {
    return this.#poolThread.worker;
  }

  /**
   * When that began which runs now, if anything does, by `performance.now()`: when the idle thread was sent it, or what
   * was before it ended.
   */
  get turnAt(): number {
    return this.#turnAt;
  }

  /** Whether a batch was sent to it that it has not told all of. */
  holds(batch: number): boolean {
    return this.#outstanding.has(batch);
  }

  send({ id, flags, origin, runId, dagId, size, program, values, sources, exports }: OutgoingBatch): void {
    this.#used = true;
    const slot = this.#freeSlots.pop();
    if (slot === undefined) throw new Error(`a worker holds ${slots} batches and has closed none of them`);
    for (; this.#defined < this.#codes.size; this.#defined++) {
      const wire = this.#codes.wire(this.#defined);
      this.#poolThread.port.postMessage([
        ToWorker.define,
        this.#defined,
        wire,
        'url' in wire ? this.#filesToTell(wire.url) : undefined,
      ]);
    }
    // What is sent to a thread that is being ended comes back.
    Atomics.store(this.#poolThread.cursors, slot, newCursor(this.#ending ? 0 : size));
    const at = this.#programs.put(program);
    try {
      this.#poolThread.port.postMessage([
        ToWorker.batch,
        id,
        slot,
        flags,
        origin,
        runId,
        dagId,
        size,
        at >= 0 ? at : program.slice(),
        values,
        sources,
        exports,
      ]);
      if (this.#outstanding.size === 0) this.#turnAt = performance.now();
      this.#outstanding.set(id, { slot, size, ringed: at >= 0, told: 0 });
    } catch (error) {
      this.#freeSlots.push(slot); // a value that cannot be sent: nothing has happened
      if (at >= 0) this.#programs.undo();
      throw error;
    }
  }

  /** What a module is made of, as this host announced it; undefined when the thread has been told. */
  #filesToTell(url: string): readonly FileMark[] | undefined {
    if (this.#told.has(url)) return undefined;
    this.#told.add(url);
    return this.#codes.versions.filesOf(url);
  }

  /** Lets this worker and another hand results to each other. */
  connect(other: WorkerThread): void {
    if (this.#peers.has(other)) return;
    const { port1, port2 } = new MessageChannel();
    this.#meet(other, port1);
    other.#meet(this, port2);
  }

  #meet(other: WorkerThread, port: MessagePort): void {
    this.#peers.add(other);
    this.#poolThread.port.postMessage([ToWorker.peer, other.address, port], [port]);
  }

  /** Takes back up to `count` functions of a batch, from its end; gives how many. */
  takeBack(batch: number, count: number): number {
    const known = this.#outstanding.get(batch);
    return known === undefined ? 0 : takeBackLast(this.#poolThread.cursors, known.slot, count);
  }

  /** How many functions of a batch have begun; 0 when it is not here. */
  begun(batch: number): number {
    const known = this.#outstanding.get(batch);
    return known === undefined ? 0 : begunOf(Atomics.load(this.#poolThread.cursors, known.slot));
  }

  /**
   * Takes back all of a batch that has not begun, and aborts the function that runs; gives how many were taken back.
   */
  cancel(batch: number, why: 'aborted' | 'timeout'): number {
    const taken = this.takeBack(batch, Infinity);
    if (this.#outstanding.has(batch)) this.#poolThread.port.postMessage([ToWorker.cancel, batch, why]);
    return taken;
  }

  /**
   * Ends the thread, whatever it does.
   *
   * @param batch for what it runs: what is queued behind that is taken back first, so that it cannot begin and be lost
   * @returns false when the batch has ended and another has begun: then the thread goes on
   */
  kill(batch?: number): boolean {
    if (batch !== undefined && !this.#clear(batch)) return false;
    this.#gone = true;
    this.#poolThread.kill();
    return true;
  }

  #clear(batch: number): boolean {
    const behind = [...this.#outstanding];
    const at = behind.findIndex(([id]) => id === batch);
    const { cursors } = this.#poolThread;
    if (at < 0 || (at > 0 && begunOf(Atomics.load(cursors, behind[at]![1].slot)) === 0)) return false;
    behind.splice(0, at + 1);
    if (behind.some(([, { slot }]) => begunOf(Atomics.load(cursors, slot)) > 0)) return false;
    for (const [, { slot }] of behind) takeBackLast(cursors, slot, Infinity);
    return true;
  }

  /**
   * Ends the one function of a batch as failed, whatever it does, and the thread with it. False when it has ended by
   * itself.
   */
  fail(batch: number, failure: FailureWire): boolean {
    if (!this.#outstanding.has(batch)) return false;
    this.#ending = true;
    this.kill();
    this.#ended([FromWorker.ended, batch, 1, [0, ReportKind.failed], [], null, [failure]]);
    // At once: native code may keep the thread for long, and nothing else must wait for it meanwhile.
    this.#events.down({ reason: 'killed' }, []);
    return true;
  }

  /**
   * Calls the worker's control port; rejects with `WORKER_CRASHED` when the thread ends meanwhile, as Comlink alone
   * would never.
   */
  async control<Result>(call: (control: Control) => Promise<Result>): Promise<Result> {
    this.#used = true;
    const died = this.#poolThread.ended.then(() => {
      throw new HandoffError('WORKER_CRASHED', 'The worker thread ended meanwhile.', {
        cause: this.#crash && fromErrorWire(this.#crash),
      });
    });
    return Promise.race([call(this.#poolThread.control as unknown as Control), died]);
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    this.#poolThread.port.postMessage([ToWorker.stop]);
    await this.exited;
  }

  #receive(message: unknown[]): void {
    switch (message[0]) {
      case FromWorker.ended:
        return this.#ended(message);
      case FromWorker.started:
        return this.#events.started(message[1] as number, message[2] as number, message[3] as number);
      case FromWorker.closed:
        return this.#close(message[1] as number);
      case FromWorker.ready:
        return this.#ready.resolve(true);
      case FromWorker.log:
        return this.#log(message);
      case FromWorker.print:
        return this.#events.printed(message[1] as number, message[2] as number, message[3] as string);
      case FromWorker.ask:
        return this.#ask(...(message.slice(1) as [number, string, string, ValueWire[], number | undefined]));
      case FromWorker.importing:
        return this.#importBegan(message[1] as string);
      case FromWorker.imported:
        return this.#importEnded(message[1] as string);
      case FromWorker.changed:
        return this.#codes.versions.change(message[1] as string, message[2] as string);
      case FromWorker.crashing:
        this.#crash = message[1] as ErrorWire;
        return;
    }
  }

  #log(message: unknown[]): void {
    const [, origin, runId, dagId, functionId, attempt, values] = message as [
      number,
      number,
      string,
      string,
      string,
      number,
      ErrorWire[],
    ];
    this.#events.log({ origin, runId, dagId, functionId, attempt, values: values.map(fromErrorWire) });
  }

  #ask(question: number, actor: string, method: string, args: readonly ValueWire[], timeout: number | undefined): void {
    const { port } = this.#poolThread;
    const refuse = (error: unknown): void => port.postMessage([ToWorker.answer, question, false, toErrorWire(error)]);
    const answer = (result: Answer): void => {
      if (!result.ok) return refuse(result.error);
      try {
        port.postMessage([ToWorker.answer, question, true, toValueWire(result.value)]);
      } catch (error) {
        refuse(error);
      }
    };
    let values: unknown[];
    try {
      values = args.map(fromValueWire);
    } catch (error) {
      return refuse(error);
    }
    this.#events.ask({ actor, method, args: values, timeout, answer: question === 0 ? undefined : answer });
  }

  /** It sent what cannot be read here, such as a report: what it has begun is as good as lost. */
  #unreadable(error: unknown): void {
    if (this.#ending) return;
    this.#ending = true;
    // No more is begun.
    for (const { slot } of this.#outstanding.values()) takeBackLast(this.#poolThread.cursors, slot, Infinity);
    this.kill();
    this.#events.down({ reason: 'unreadable', error }, this.#startedBatches());
  }

  #startedBatches(): { batch: number; started: number }[] {
    return [...this.#outstanding].map(([batch, { slot }]) => ({
      batch,
      started: begunOf(Atomics.load(this.#poolThread.cursors, slot)),
    }));
  }

  #importBegan(module: string): void {
    const limit = this.#importTimeout;
    const timer = limit === Infinity ? undefined : setLongTimeout(() => this.#importIsLate(module), limit);
    this.#imports.set(module, { module, since: performance.now(), timer });
  }

  #importEnded(module: string): void {
    this.#imports.get(module)?.timer?.clear();
    this.#imports.delete(module);
  }

  /** The function that waits for the import has failed. What merely looks into code has a limit of its own. */
  #importIsLate(module: string): void {
    if (this.idle || this.#gone) return;
    this.#stuck = importTooSlow(module, this.#importTimeout);
    this.kill();
  }

  #ended(message: unknown[]): void {
    const [, batch, count, exceptions, durations, spans, values] = message as [
      number,
      number,
      number,
      number[] | null,
      number[],
      number[] | null,
      unknown[],
    ];
    const known = this.#outstanding.get(batch);
    if (known === undefined) return; // it was ended meanwhile
    const first = known.told;
    known.told += count;
    this.#turnAt = performance.now();
    if (known.told === known.size) this.#close(batch);
    this.#events.ended(batch, {
      first,
      count,
      exceptions: exceptions ?? [],
      durations,
      spans,
      values,
    } satisfies BatchReport);
  }

  #close(batch: number): void {
    const known = this.#outstanding.get(batch);
    if (known === undefined) return;
    this.#outstanding.delete(batch);
    this.#freeSlots.push(known.slot);
    if (known.ringed) this.#programs.free();
  }

  #onEnded(exit: ThreadExit): Exit {
    this.#ready.resolve(false);
    this.#gone = true;
    for (const module of [...this.#imports.keys()]) this.#importEnded(module);
    for (const peer of this.#peers) peer.#peers.delete(this);
    this.#peers.clear();
    if (exit.reason === 'stopped') return { reason: this.#stopping ? 'shutdown' : 'normal' };
    const error = this.#stuck ?? (this.#crash !== undefined ? fromErrorWire(this.#crash) : exit.error);
    const started = this.#startedBatches();
    if (this.#up && !this.#ending)
      this.#events.down(
        {
          reason: this.#stuck === undefined ? exit.reason : 'import',
          ...(exit.exitCode !== undefined && { exitCode: exit.exitCode }),
          ...(error !== undefined && { error }),
        },
        started,
      );
    // What user code does to its thread, even long after it has returned, must not cost a node or more. A thread that
    // dies before is ours.
    return { reason: 'error', error, excused: exit.reason === 'killed' || this.#used };
  }
}
