/**
 * What stays of an actor while its threads come and go: its mailbox, who waits for answers, and its last snapshot.
 *
 * ```
 *   ask ──► mailbox ──► in flight (a few, so that the thread need not wait for us) ──► settled
 *              │             └─ the thread dies: WORKER_CRASHED
 *              └─ no room: MAILBOX_FULL               while it is started again, messages wait here
 * ```
 */
import { fromErrorWire } from '../../core/error-wire.ts';
import { HandoffError } from '../../core/errors.ts';
import { type LongTimeout, setLongTimeout } from '../../core/long-timeout.ts';
import type { FileMark } from '../code/file-mark.ts';
import type { ChildSpec, Exit, Restart, Running } from '../supervision/child.ts';
import { Mailbox, type Overflow } from './mailbox.ts';
import { ActorProcess } from './process.ts';
import { fromValueWire, type ValueWire } from '../store/value-wire.ts';
import type { Reply } from './wire.ts';

// So many messages are with the thread at once. What it has begun cannot be taken back, so not many.
const window = 4;

export interface CellOptions {
  /** Unique among actors. */
  readonly id: string;
  readonly name: string | undefined;
  /** Where its class is. */
  readonly code: { readonly url: string; readonly module: string; readonly export: string };
  /** What its module is made of now, as this host announced it. @throws `VERSION_MISMATCH` */
  readonly files: () => readonly FileMark[];
  readonly args: readonly unknown[];
  readonly node: string;
  /** How large its heap may grow, in MB; undefined: as V8 has it. */
  readonly heapMb: number | undefined;
  /** ms that the import of its module may take; Infinity: no limit. */
  readonly importTimeout: number;
  readonly restart: Restart;
  /** ms it may take to stop. */
  readonly shutdownTimeout: number;
  readonly capacity: number;
  readonly overflow: Overflow;
  readonly snapshotInterval: number;
  readonly toStderr: boolean;
  /** Told of errors that nobody waits for: those of `tell`. */
  readonly onLost: (method: string, error: unknown) => void;
}

export interface AskOptions {
  /** ms until it is given up. Default: none. */
  readonly timeout?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The death of one of an actor's threads. */
export interface ActorDeath {
  readonly exit: Exit;
  /** It is not started again. */
  readonly final: boolean;
}

interface Message {
  readonly method: string;
  readonly args: readonly unknown[];
  settle(reply: Reply): void;
  fail(error: unknown): void;
}

export class ActorCell {
  readonly options: CellOptions;
  /** Resolves when it has ended for good. */
  readonly exited: Promise<Exit>;
  readonly #exit: (exit: Exit) => void;
  readonly #mailbox: Mailbox<Message>;
  readonly #inFlight = new Set<Message>();
  readonly #monitors = new Set<(death: ActorDeath) => void>();
  #process: ActorProcess | undefined;
  #snapshot: ValueWire | undefined;
  /** Set when it has ended for good: why nothing can be asked of it. */
  #ended: HandoffError | undefined;
  #stopping = false;

  constructor(options: CellOptions) {
    this.options = options;
    this.#mailbox = new Mailbox(options.capacity, options.overflow);
    const { promise, resolve } = Promise.withResolvers<Exit>();
    this.exited = promise;
    this.#exit = resolve;
  }

  /** As its supervisor starts it, again and again. */
  get child(): ChildSpec {
    const { id, restart } = this.options;
    return { id, restart, shutdownTimeout: Infinity, start: (givenUp) => this.#start(givenUp) };
  }

  get state(): { readonly mailbox: number; readonly inFlight: number } {
    return { mailbox: this.#mailbox.size, inFlight: this.#inFlight.size };
  }

  /**
   * Asks for a method to be called, and gives what it gives.
   *
   * @throws what the method throws; `WORKER_CRASHED` when the thread dies before it answers, `ASK_TIMEOUT`, `ABORTED`,
   *   `MAILBOX_FULL`, `NOT_SERIALIZABLE`, `FUNCTION_NOT_FOUND`, `STOPPED`
   */
  ask(method: string, args: readonly unknown[], { timeout, signal }: AskOptions = {}): Promise<unknown> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    let timer: LongTimeout | undefined;
    const done = (): void => {
      timer?.clear();
      signal?.removeEventListener('abort', abort);
    };
    const message: Message = {
      method,
      args,
      settle: (reply) => {
        done();
        if (!reply.ok) return reject(fromErrorWire(reply.error));
        try {
          resolve(fromValueWire(reply.value));
        } catch (cause) {
          // there is no memory left for it
          reject(
            new HandoffError(
              'NOT_SERIALIZABLE',
              `The answer of ${method}() cannot be read here: ${cause instanceof Error ? cause.message : String(cause)}`,
              { cause },
            ),
          );
        }
      },
      fail: (error) => {
        done();
        reject(error);
      },
    };
    // What is with the thread already cannot be taken back: it will be done, and nobody told.
    const giveUp = (error: HandoffError): void => {
      this.#mailbox.remove(message);
      message.fail(error);
    };
    const abort = (): void =>
      giveUp(
        new HandoffError('ABORTED', `Asking ${this.#label} for ${method}() was aborted.`, { cause: signal!.reason }),
      );
    if (signal?.aborted === true) {
      abort();
      return promise;
    }
    signal?.addEventListener('abort', abort, { once: true });
    if (timeout !== undefined && timeout !== Infinity) {
      timer = setLongTimeout(
        () =>
          giveUp(
            new HandoffError('ASK_TIMEOUT', `${this.#label} has not answered ${method}() within ${timeout} ms.`, {
              timeout,
            }),
          ),
        timeout,
      );
    }
    this.#accept(message);
    return promise;
  }

  /** Has a method called, and waits for nothing. What becomes of it, only `onLost` hears. */
  tell(method: string, args: readonly unknown[]): void {
    const lost = (error: unknown): void => this.options.onLost(method, error);
    this.#accept({
      method,
      args,
      settle: (reply) => (reply.ok ? undefined : lost(fromErrorWire(reply.error))),
      fail: lost,
    });
  }

  /** Calls back at each death of its threads; gives what stops that. */
  monitor(onDeath: (death: ActorDeath) => void): () => void {
    this.#monitors.add(onDeath);
    return () => void this.#monitors.delete(onDeath);
  }

  /** It will not be started again: whoever waits, waits in vain. */
  end(exit: Exit): void {
    if (this.#ended !== undefined) return;
    this.#ended =
      exit.reason === 'error'
        ? new HandoffError(
            'WORKER_CRASHED',
            `${this.#label} has ended and is not started again: ${exit.error instanceof Error ? exit.error.message : String(exit.error)}`,
            { reason: 'ended', cause: exit.error },
          )
        : new HandoffError('STOPPED', `${this.#label} has ended.`);
    for (const message of [...this.#inFlight, ...this.#mailbox.drain()]) message.fail(this.#ended);
    this.#inFlight.clear();
    this.#inform({ exit, final: true });
    this.#exit(exit);
  }

  get #label(): string {
    const { name, id, code } = this.options;
    return `Actor ${name ?? id} (${code.export})`;
  }

  #accept(message: Message): void {
    if (this.#ended !== undefined) return message.fail(this.#ended);
    const fallen = this.#mailbox.push(message);
    fallen?.fail(
      new HandoffError(
        'MAILBOX_FULL',
        `The mailbox of ${this.#label} is full: ${this.options.capacity} messages wait. Send fewer at a time, or spawn it with a larger mailbox.capacity.`,
      ),
    );
    this.#pump();
  }

  #pump(): void {
    const running = this.#process;
    if (running === undefined || this.#stopping) return;
    while (this.#inFlight.size < window) {
      const message = this.#mailbox.shift();
      if (message === undefined) return;
      this.#inFlight.add(message);
      running.call(message.method, message.args).then(
        (reply) => this.#answered(message, reply),
        (cause: unknown) => {
          if (!this.#inFlight.delete(message)) return;
          message.fail(
            new HandoffError(
              'NOT_SERIALIZABLE',
              `The arguments of ${message.method}() cannot be sent to ${this.#label}: ${cause instanceof Error ? cause.message : String(cause)}`,
              { cause },
            ),
          );
          this.#pump();
        },
      );
    }
  }

  #answered(message: Message, reply: Reply): void {
    if (reply.snapshot !== undefined) this.#snapshot = reply.snapshot;
    this.#inFlight.delete(message);
    message.settle(reply);
    this.#pump();
  }

  async #start(givenUp: AbortSignal): Promise<Running> {
    const { code, files, args, snapshotInterval, toStderr, shutdownTimeout, heapMb, importTimeout } = this.options;
    this.#stopping = false;
    const started = await ActorProcess.start(
      { ...code, files: files(), args, snapshotInterval, toStderr, snapshot: this.#snapshot },
      { heapMb, importTimeout },
      givenUp,
    );
    this.#process = started;
    void started.exited.then((exit) => this.#died(started, exit));
    this.#pump();
    return {
      exited: started.exited,
      stop: async () => {
        this.#stopping = true;
        await started.stop(shutdownTimeout);
      },
      inspect: () => ({
        kind: 'worker',
        info: {
          class: code.export,
          node: this.options.node,
          ...(this.options.name !== undefined && { name: this.options.name }),
          ...this.state,
        },
      }),
    };
  }

  #died(gone: ActorProcess, exit: Exit): void {
    if (this.#process !== gone) return;
    this.#process = undefined;
    const error = exit.error ?? new HandoffError('STOPPED', `${this.#label} ended before it answered.`);
    for (const message of this.#inFlight) message.fail(error);
    this.#inFlight.clear();
    if (exit.reason !== 'shutdown') this.#inform({ exit, final: false });
  }

  #inform(death: ActorDeath): void {
    for (const monitor of this.#monitors) {
      try {
        monitor(death);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        }); // a listener's fault is its own
      }
    }
  }
}
