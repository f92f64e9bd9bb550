/**
 * The part of an actor that outlives its threads: its mailbox, its open requests, and its last snapshot.
 *
 * ```
 *   ask ──► mailbox ──► in flight (a few, so that the thread never waits) ──► settled
 *              │             └─ the thread dies: WORKER_CRASHED
 *              └─ no room: MAILBOX_FULL               messages wait here while the thread restarts
 * ```
 */
import { messageOf } from '../../core/message-of.ts';
import { fromErrorWire } from '../../core/error-wire.ts';
import { HandoffError } from '../../core/errors.ts';
import { type LongTimeout, setLongTimeout } from '../../core/long-timeout.ts';
import type { FileMark } from '../code/file-mark.ts';
import type { ChildSpec, Exit, Restart, Running } from '../supervision/child.ts';
import { Mailbox, type Overflow } from './mailbox.ts';
import { ActorProcess } from './process.ts';
import { fromValueWire, type ValueWire } from '../store/value-wire.ts';
import type { Reply } from './wire.ts';

// How many messages the thread holds at once. Few, because a message that has begun cannot be recalled.
const maxInFlight = 4;

export interface CellOptions {
  /** Unique among actors. */
  readonly id: string;
  readonly name: string | undefined;
  /** Where its class is exported. */
  readonly code: { readonly url: string; readonly module: string; readonly export: string };
  /** The files of its module, as this host announced them. @throws `VERSION_MISMATCH` */
  readonly files: () => readonly FileMark[];
  readonly args: readonly unknown[];
  readonly node: string;
  /** Heap limit in MB; undefined: V8's default. */
  readonly heapMb: number | undefined;
  /** ms the import of its module may take; Infinity: no limit. */
  readonly importTimeout: number;
  readonly restart: Restart;
  /** ms the actor may take to stop. */
  readonly shutdownTimeout: number;
  readonly capacity: number;
  readonly overflow: Overflow;
  readonly snapshotInterval: number;
  readonly toStderr: boolean;
  /** Called with errors that no caller receives: those of `tell`. */
  readonly onLost: (method: string, error: unknown) => void;
}

export interface AskOptions {
  /** ms until the request fails with `ASK_TIMEOUT`. Default: no limit. */
  readonly timeout?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The death of one of an actor's threads. */
export interface ActorDeath {
  readonly exit: Exit;
  /** The actor is not restarted. */
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
  /** Resolves when the actor has ended for good. */
  readonly exited: Promise<Exit>;
  readonly #exit: (exit: Exit) => void;
  readonly #mailbox: Mailbox<Message>;
  readonly #inFlight = new Set<Message>();
  readonly #monitors = new Set<(death: ActorDeath) => void>();
  #process: ActorProcess | undefined;
  #snapshot: ValueWire | undefined;
  /** Set when the actor has ended for good: the error for every later request. */
  #ended: HandoffError | undefined;
  #stopping = false;

  constructor(options: CellOptions) {
    this.options = options;
    this.#mailbox = new Mailbox(options.capacity, options.overflow);
    const { promise, resolve } = Promise.withResolvers<Exit>();
    this.exited = promise;
    this.#exit = resolve;
  }

  /** How its supervisor starts and restarts it. */
  get child(): ChildSpec {
    const { id, restart } = this.options;
    return { id, restart, shutdownTimeout: Infinity, start: (givenUp) => this.#start(givenUp) };
  }

  get state(): { readonly mailbox: number; readonly inFlight: number } {
    return { mailbox: this.#mailbox.size, inFlight: this.#inFlight.size };
  }

  /**
   * Calls a method and gives its result.
   *
   * @param options.timeout ms until the request fails; default: no limit
   * @throws what the method throws; `WORKER_CRASHED` when the thread dies before it answers; `ASK_TIMEOUT` when the
   *   time is over; `ABORTED` when the signal aborts; `MAILBOX_FULL` when the mailbox has no room; `NOT_SERIALIZABLE`
   *   when arguments or result cannot be sent; `FUNCTION_NOT_FOUND` when there is no such method; `STOPPED` when the
   *   actor has ended
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
          // too little memory is left for it
          reject(
            new HandoffError('NOT_SERIALIZABLE', `The answer of ${method}() cannot be read here: ${messageOf(cause)}`, {
              cause,
            }),
          );
        }
      },
      fail: (error) => {
        done();
        reject(error);
      },
    };
    // A message the thread already has cannot be recalled: it runs, and its result is dropped.
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
            new HandoffError(
              'ASK_TIMEOUT',
              `${this.#label} did not answer ${method}() within ${timeout} ms. Raise the timeout of the ask, or let the method do less at a time.`,
              {
                timeout,
              },
            ),
          ),
        timeout,
      );
    }
    this.#accept(message);
    return promise;
  }

  /** Calls a method without waiting. Errors go to `onLost`. */
  tell(method: string, args: readonly unknown[]): void {
    const lost = (error: unknown): void => this.options.onLost(method, error);
    this.#accept({
      method,
      args,
      settle: (reply) => (reply.ok ? undefined : lost(fromErrorWire(reply.error))),
      fail: lost,
    });
  }

  /** Calls back at each death of its threads. @returns a function that stops this */
  monitor(onDeath: (death: ActorDeath) => void): () => void {
    this.#monitors.add(onDeath);
    return () => void this.#monitors.delete(onDeath);
  }

  /** The actor is not restarted: fails everything that waits. */
  end(exit: Exit): void {
    if (this.#ended !== undefined) return;
    this.#ended =
      exit.reason === 'error'
        ? new HandoffError(
            'WORKER_CRASHED',
            `${this.#label} has ended and is not restarted: ${messageOf(exit.error)}`,
            { reason: 'ended', cause: exit.error },
          )
        : new HandoffError('STOPPED', `${this.#label} has ended. Spawn it again to use it.`);
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
    while (this.#inFlight.size < maxInFlight) {
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
              `The arguments of ${message.method}() cannot be sent to ${this.#label}: ${messageOf(cause)}`,
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
        }); // an error of a listener must not stop the others
      }
    }
  }
}
