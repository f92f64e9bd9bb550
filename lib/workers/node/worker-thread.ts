/** One thread as its node sees it: the batches it has received, and what it reports. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { MessageChannel, type MessagePort, type Worker } from 'node:worker_threads';
import type { ErrorWire } from '../../core/error-wire.ts';
import { type Exit, type Running } from '../supervision/child.ts';
import { fromErrorWire, toErrorWire } from '../../core/error-wire.ts';
import { HandoffError } from '../../core/errors.ts';
import { UntilEnd } from '../../core/until-end.ts';
import { fromValueWire, toValueWire, type ValueWire } from '../store/value-wire.ts';
import type { CodeRegistry } from './code-registry.ts';
import { type LongTimeout, setLongTimeout } from '../../core/long-timeout.ts';
import type { FileMark } from '../code/file-mark.ts';
import { importTooSlow } from '../code/module-error.ts';
import type { Answer, BatchReport, Importing, ThreadEvents, OutgoingBatch } from './thread-messages.ts';
import { type PoolThread, threadEntry, type ThreadExit, type ThreadPool } from './thread-pool.ts';
import { ProgramRing } from './program.ts';
import {
  BatchFlag,
  begunOf,
  type Control,
  type FailureWire,
  FromThread,
  newCursor,
  type PreloadedModule,
  ReportKind,
  takeBackLast,
  ToThread,
} from './wire.ts';

/** A bundler moves this code, but leaves the file behind that threads load. */
function whyNotReady(): string {
  const file = fileURLToPath(threadEntry);
  return existsSync(file)
    ? 'See the output of the process for why.'
    : `Its code is missing: there is no ${file}. If a bundler has put handoffjs into another file, leave the package external: --external handoffjs.`;
}

interface Outstanding {
  readonly slot: number;
  readonly size: number;
  /** Its program is in the ring. */
  readonly ringed: boolean;
  readonly isConcurrent: boolean;
  reported: number;
}

let lastAddress = 0;

export class WorkerThread implements Running {
  /** The address by which other threads know this one. Never reused. */
  readonly address = ++lastAddress;
  readonly exited: Promise<Exit>;
  readonly #poolThread: PoolThread;
  readonly #codes: CodeRegistry;
  readonly #events: ThreadEvents;
  readonly #programs: ProgramRing;
  /** Threads with a port to this one. */
  readonly #connected = new Set<WorkerThread>();
  readonly #outstanding = new Map<number, Outstanding>();
  readonly #freeSlots: number[];
  readonly #ready = Promise.withResolvers<boolean>();
  /** Modules that the thread is importing, first begun first, each with the timer of its limit. */
  readonly #imports = new Map<string, Importing & { readonly timer: LongTimeout | undefined }>();
  readonly #importTimeout: number;
  /** The reason why the thread is ended: an import took too long. */
  #stuck: HandoffError | undefined;
  /** Modules whose files the thread knows. */
  readonly #announced = new Set<string>();
  #defined = 0;
  /** Batches of concurrent functions, until the end of this turn: they travel in one message. */
  #gathered: unknown[][] = [];
  #turnAt = 0;
  readonly #life: UntilEnd;
  #crash: ErrorWire | undefined;
  /** The batch of the concurrent function that caused it, if known. */
  #culprit: number | undefined;
  #stopping = false;
  /** User code has run in it, so a later crash may be caused by that code. */
  #used = false;
  #up = false;
  #gone = false;
  /** The thread is being ended, and `down` was called. */
  #ending = false;

  private constructor(thread: PoolThread, codes: CodeRegistry, events: ThreadEvents, importTimeout: number) {
    this.#importTimeout = importTimeout;
    this.#poolThread = thread;
    this.#freeSlots = Array.from(thread.cursors, (_, slot) => slot);
    this.#codes = codes;
    this.#events = events;
    this.#programs = new ProgramRing(thread.programs);
    thread.port.on('message', (message: unknown[]) => this.#receive(message));
    thread.port.on('messageerror', (error) => this.#unreadable(error));
    thread.port.unref(); // running functions keep the process alive; an idle thread does not
    this.exited = thread.ended.then((exit) => this.#onEnded(exit));
    this.#life = new UntilEnd(
      thread.ended,
      () =>
        new HandoffError('WORKER_CRASHED', 'The worker thread ended before it answered.', {
          cause: this.#crash && fromErrorWire(this.#crash),
        }),
    );
  }

  /**
   * Starts a thread; resolves when it is ready.
   *
   * @param onReady receives the thread just before `events.up`
   * @throws `WORKER_CRASHED` when it ends before it is ready
   */
  static async start(
    pool: ThreadPool,
    codes: CodeRegistry,
    events: ThreadEvents,
    onReady: (thread: WorkerThread) => void,
  ): Promise<WorkerThread> {
    const thread = new WorkerThread(pool.attach(preloaded(pool, codes)), codes, events, pool.importTimeout);
    if (await thread.#ready.promise) {
      thread.#up = true;
      onReady(thread);
      events.up();
      return thread;
    }
    const { error } = await thread.exited;
    throw new HandoffError('WORKER_CRASHED', `A worker thread ended before it was ready. ${whyNotReady()}`, {
      cause: error,
    });
  }

  /** Whether it has reported everything it received. */
  get idle(): boolean {
    return this.#outstanding.size === 0;
  }

  /** Whether it was asked to end, or has ended. */
  get gone(): boolean {
    return this.#gone;
  }

  /** The module that it imports now. */
  get importing(): Importing | undefined {
    return this.#imports.values().next().value;
  }

  /** Its underlying thread, for measurements. */
  get worker(): Worker | undefined {
    return this.#poolThread.worker;
  }

  /**
   * When the running function began, by `performance.now()`: when an idle thread received it, or when the function
   * before it ended.
   */
  get turnAt(): number {
    return this.#turnAt;
  }

  /** Whether some function of a batch is not reported yet. */
  holds(batch: number): boolean {
    return this.#outstanding.has(batch);
  }

  send({ id, flags, origin, runId, dagId, size, program, values, sources, exports }: OutgoingBatch): void {
    this.#used = true;
    const slot = this.#freeSlots.pop();
    if (slot === undefined)
      throw new Error(`a thread holds ${this.#outstanding.size} batches and has closed none of them`);
    for (; this.#defined < this.#codes.size; this.#defined++) {
      const wire = this.#codes.wire(this.#defined);
      const files = 'url' in wire ? this.#filesToAnnounce(wire.url) : undefined;
      this.#post([ToThread.define, this.#defined, wire, files]);
    }
    // A batch for a thread that is being ended must not begin; it comes back.
    Atomics.store(this.#poolThread.cursors, slot, newCursor(this.#ending ? 0 : size));
    // Concurrent functions do not end in the order in which programs are freed.
    const isConcurrent = (flags & BatchFlag.concurrent) !== 0;
    const at = isConcurrent ? -1 : this.#programs.put(program);
    const where = at >= 0 ? at : program.slice();
    const message = [ToThread.batch, id, slot, flags, origin, runId, dagId, size, where, values, sources, exports];
    try {
      if (isConcurrent && values.every(isSendable)) this.#gather(message);
      else this.#post(message);
      if (this.#outstanding.size === 0) this.#turnAt = performance.now();
      this.#outstanding.set(id, { slot, size, ringed: at >= 0, isConcurrent, reported: 0 });
    } catch (error) {
      this.#freeSlots.push(slot); // a value cannot be sent: nothing has changed
      if (at >= 0) this.#programs.undo();
      throw error;
    }
  }

  /** Sends a message after everything that was gathered. */
  #post(message: unknown[], transfer: MessagePort[] = []): void {
    this.#sendGathered();
    this.#poolThread.port.postMessage(message, transfer);
  }

  #gather(message: unknown[]): void {
    if (this.#gathered.push(message) === 1) queueMicrotask(() => this.#sendGathered());
  }

  #sendGathered(): void {
    const messages = this.#gathered;
    if (messages.length === 0) return;
    this.#gathered = [];
    this.#poolThread.port.postMessage(messages.length === 1 ? messages[0]! : [ToThread.many, messages]);
  }

  /** The files of a module, as this host announced them; undefined when the thread knows them already. */
  #filesToAnnounce(url: string): readonly FileMark[] | undefined {
    if (this.#announced.has(url)) return undefined;
    this.#announced.add(url);
    return this.#codes.versions.filesOf(url);
  }

  /** The time, by `performance.now()`, from which on it reports every function soon; see `ServeOptions`. */
  set reportFrom(at: number) {
    this.#poolThread.reportFrom[0] = performance.timeOrigin + at;
  }

  /** Connects this thread and another, so that they can pass results to each other. */
  connect(other: WorkerThread): void {
    if (this.#connected.has(other)) return;
    const { port1, port2 } = new MessageChannel();
    this.#addPort(other, port1);
    other.#addPort(this, port2);
  }

  #addPort(other: WorkerThread, port: MessagePort): void {
    this.#connected.add(other);
    this.#post([ToThread.connect, other.address, port], [port]);
  }

  /** Takes back up to `count` functions of a batch, from its end. @returns how many */
  takeBack(batch: number, count: number): number {
    const known = this.#outstanding.get(batch);
    return known === undefined ? 0 : takeBackLast(this.#poolThread.cursors, known.slot, count);
  }

  /** How many functions of a batch have begun; 0 when the batch is not here. */
  begun(batch: number): number {
    const known = this.#outstanding.get(batch);
    return known === undefined ? 0 : begunOf(Atomics.load(this.#poolThread.cursors, known.slot));
  }

  /**
   * Takes back all functions of a batch that have not begun, and aborts the running one. @returns how many were taken
   * back
   */
  cancel(batch: number, why: 'aborted' | 'timeout'): number {
    const taken = this.takeBack(batch, Infinity);
    if (this.#outstanding.has(batch)) this.#post([ToThread.cancel, batch, why]);
    return taken;
  }

  /**
   * Ends the thread at once.
   *
   * @param batch only if it still runs this batch. Batches queued behind it are taken back first, so that they cannot
   *   begin and be lost
   * @returns false when this batch has ended and another has begun: the thread then continues
   */
  kill(batch?: number): boolean {
    if (batch !== undefined && !this.#clear(batch)) return false;
    this.#gone = true;
    this.#poolThread.kill();
    return true;
  }

  #clear(batch: number): boolean {
    if (this.#outstanding.get(batch)?.isConcurrent === true) return this.#clearBeside(batch);
    const behind = [...this.#outstanding];
    const at = behind.findIndex(([id]) => id === batch);
    const { cursors } = this.#poolThread;
    if (at < 0 || (at > 0 && begunOf(Atomics.load(cursors, behind[at]![1].slot)) === 0)) return false;
    behind.splice(0, at + 1);
    if (behind.some(([, { slot }]) => begunOf(Atomics.load(cursors, slot)) > 0)) return false;
    for (const [, { slot }] of behind) takeBackLast(cursors, slot, Infinity);
    return true;
  }

  /** The same for a concurrent function. Those beside it that have begun are lost. */
  #clearBeside(batch: number): boolean {
    const { cursors } = this.#poolThread;
    if (this.begun(batch) === 0) return false;
    for (const { slot } of this.#outstanding.values()) takeBackLast(cursors, slot, Infinity);
    return true;
  }

  /**
   * Fails the only function of a batch and ends the thread.
   *
   * @returns false when the function has already ended
   */
  fail(batch: number, failure: FailureWire): boolean {
    if (!this.#outstanding.has(batch)) return false;
    this.#ending = true;
    this.kill();
    this.#ended([FromThread.ended, batch, 1, [0, ReportKind.failed], [], null, [failure]]);
    // Report it at once: native code may keep the thread busy for long, and other work must not wait for that.
    this.#events.down({ reason: 'killed' }, []);
    return true;
  }

  /**
   * Calls the control port. Rejects with `WORKER_CRASHED` when the thread ends meanwhile; Comlink alone would never
   * settle.
   */
  async control<Result>(call: (control: Control) => Promise<Result>): Promise<Result> {
    this.#used = true;
    return this.#life.race(call(this.#poolThread.control as unknown as Control));
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    this.#post([ToThread.stop]);
    await this.exited;
  }

  #receive(message: unknown[]): void {
    switch (message[0]) {
      case FromThread.ended:
        return this.#ended(message);
      case FromThread.started:
        return this.#events.started(message[1] as number, message[2] as number, message[3] as number);
      case FromThread.closed:
        return this.#close(message[1] as number);
      case FromThread.ready:
        return this.#ready.resolve(true);
      case FromThread.log:
        return this.#log(message);
      case FromThread.progress:
        return this.#progress(message);
      case FromThread.print:
        return this.#events.printed(message[1] as number, message[2] as number, message[3] as string);
      case FromThread.ask:
        return this.#ask(...(message.slice(1) as [number, string, string, ValueWire[], number | undefined]));
      case FromThread.importing:
        return this.#importBegan(message[1] as string);
      case FromThread.imported:
        return this.#importEnded(message[1] as string);
      case FromThread.changed:
        return this.#codes.versions.change(message[1] as string, message[2] as string);
      case FromThread.crashing:
        this.#crash ??= message[1] as ErrorWire | undefined;
        this.#culprit ??= message[2] as number | undefined;
        return;
      case FromThread.blocked:
        return this.#events.blocked(message[1] as number | undefined, message[2] as number);
      case FromThread.many:
        return this.#events.together(() => {
          for (const each of message[1] as unknown[][]) this.#receive(each);
        });
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

  #progress(message: unknown[]): void {
    const [, origin, runId, dagId, functionId, attempt, fraction, note] = message as [
      number,
      number,
      string,
      string,
      string,
      number,
      number,
      string | undefined,
    ];
    this.#events.progress({ origin, runId, dagId, functionId, attempt, fraction, note });
  }

  #ask(question: number, actor: string, method: string, args: readonly ValueWire[], timeout: number | undefined): void {
    const refuse = (error: unknown): void => this.#post([ToThread.answer, question, false, toErrorWire(error)]);
    const answer = (result: Answer): void => {
      if (!result.ok) return refuse(result.error);
      try {
        this.#post([ToThread.answer, question, true, toValueWire(result.value)]);
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

  /** A message cannot be read. It may have been a report, so everything that has begun counts as lost. */
  #unreadable(error: unknown): void {
    if (this.#ending) return;
    this.#ending = true;
    // No further function may begin.
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

  /** Functions wait for this import, so end the thread. Inspections have a limit of their own. */
  #importIsLate(module: string): void {
    if ((this.idle && this.#up) || this.#gone) return;
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
    const first = known.reported;
    known.reported += count;
    this.#turnAt = performance.now();
    if (known.reported === known.size) this.#close(batch);
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
    for (const other of this.#connected) other.#connected.delete(this);
    this.#connected.clear();
    if (exit.reason === 'stopped') return { reason: this.#stopping ? 'shutdown' : 'normal' };
    const error = this.#stuck ?? (this.#crash !== undefined ? fromErrorWire(this.#crash) : exit.error);
    const started = this.#startedBatches();
    if (this.#up && !this.#ending)
      this.#events.down(
        {
          reason: this.#stuck === undefined ? exit.reason : 'import',
          ...(exit.exitCode !== undefined && { exitCode: exit.exitCode }),
          ...(error !== undefined && { error }),
          ...(this.#culprit !== undefined && { batch: this.#culprit }),
        },
        started,
      );
    // A crash that user code may have caused, even long after it returned, must not cost the node. A crash before any
    // user code is ours.
    return { reason: 'error', error, excused: exit.reason === 'killed' || this.#used };
  }
}

/** Whether any port takes a value as it is. What must be looked into travels alone: it may turn out not to be sendable. */
function isSendable(value: unknown): boolean {
  return value === null || (typeof value !== 'object' && typeof value !== 'function' && typeof value !== 'symbol');
}

/** The modules that a thread imports first, as they are for all threads. */
function preloaded(pool: ThreadPool, { versions }: CodeRegistry): PreloadedModule[] {
  return pool.preload.map((url) => {
    try {
      return { url, files: versions.of(url).files };
    } catch {
      return { url, files: [] }; // the import fails, and says why
    }
  });
}
