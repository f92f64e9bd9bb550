/** One life of an actor: its thread, from start to end. */
import { messageOf } from '../../core/message-of.ts';
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import { type ErrorWire, fromErrorWire, toErrorWire } from '../../core/error-wire.ts';
import { HandoffError, isHandoffError } from '../../core/errors.ts';
import { moduleUrl } from '../../core/package-files.ts';
import { findObstacle } from '../../core/serializable.ts';
import { type LongTimeout, setLongTimeout } from '../../core/long-timeout.ts';
import type { Exit } from '../supervision/child.ts';
import { toValueWire } from '../store/value-wire.ts';
import { importTooSlow } from '../code/module-error.ts';
import type { ActorStart, Answer, FromActor, Reply, ToActor } from './wire.ts';

const entry = moduleUrl('workers/actor/serve');

/** What the cell passes to a new thread. */
type ActorOptions = Omit<ActorStart, 'port' | 'args'> & { readonly args: readonly unknown[] };

export interface ActorLimits {
  /** Heap limit in MB; undefined: V8's default. */
  readonly heapMb: number | undefined;
  /** ms the import of its module may take; Infinity: no limit. */
  readonly importTimeout: number;
}

export class ActorProcess {
  /** Resolves when the thread is gone and every message it sent has arrived. */
  readonly exited: Promise<Exit>;
  readonly #thread: Worker;
  readonly #port: MessagePort;
  /** By message number, oldest first. */
  readonly #waiting = new Map<number, (reply: Reply) => void>();
  #sent = 0;
  readonly #started = Promise.withResolvers<void>();
  /** The error the thread reported before it ended: uncaught, or thrown while the instance was created. */
  #reportedError: ErrorWire | undefined;
  #stopping: Promise<void> | undefined;
  #killed = false;
  #isReady = false;
  #importLimit: LongTimeout | undefined;

  /** @param start what the thread receives, without its port */
  private constructor(start: Omit<ActorStart, 'port'>, { heapMb, importTimeout }: ActorLimits) {
    const { port1, port2 } = new MessageChannel();
    const closed = new Promise<void>((resolve) => port1.once('close', resolve));
    this.#thread = new Worker(entry, {
      workerData: { ...start, port: port2 } satisfies ActorStart,
      transferList: [port2],
      name: start.export,
      ...(heapMb !== undefined && { resourceLimits: { maxOldGenerationSizeMb: heapMb } }),
    });
    this.#port = port1;
    port1.on('message', ({ id, reply }: Answer) => this.#answered(id, reply));
    port1.on('messageerror', (cause) => this.#unreadable(cause));
    port1.unref();
    let failure: unknown;
    if (importTimeout !== Infinity) {
      this.#importLimit = setLongTimeout(() => {
        this.#started.reject(importTooSlow(start.module, importTimeout));
        this.kill();
      }, importTimeout);
    }
    this.#thread.on('error', (error) => (failure = error));
    this.#thread.on('message', (message: FromActor) => this.#receive(message));
    this.#thread.on('messageerror', (cause) => this.#receive({ type: 'failed', error: toErrorWire(cause) }));
    this.exited = new Promise<number>((resolve) => this.#thread.once('exit', resolve)).then(async (exitCode) => {
      await closed;
      port1.close();
      return this.#exitOf(exitCode, failure);
    });
    void this.exited.then(({ error }) => {
      this.#importLimit?.clear();
      this.#started.reject(error);
    }); // has no effect once it has started
  }

  /**
   * Starts a thread; resolves when the instance exists.
   *
   * @param limits heap in MB and import time in ms
   * @param givenUp ends the thread while it starts
   * @throws what its constructor or `restore` threw; `FUNCTION_NOT_FOUND` when module or class is missing;
   *   `MODULE_FAILED` when the import fails; `WORKER_CRASHED` when the thread ends first; `NOT_SERIALIZABLE` when an
   *   argument cannot be sent
   */
  static async start(
    { args, ...start }: ActorOptions,
    limits: ActorLimits,
    givenUp: AbortSignal,
  ): Promise<ActorProcess> {
    let made: ActorProcess;
    for (const [i, arg] of args.entries()) {
      const obstacle = findObstacle(arg);
      if (obstacle !== undefined) throw cannotBeSent(start.export, `args[${i}]${obstacle.path} is ${obstacle.what}`);
    }
    try {
      made = new ActorProcess({ ...start, args: args.map(toValueWire) }, limits);
    } catch (cause) {
      if (!(cause instanceof DOMException) && !isHandoffError(cause, 'NOT_SERIALIZABLE')) throw cause;
      throw cannotBeSent(start.export, cause.message.replace(/\.$/, ''), cause);
    }
    const kill = (): void => made.kill();
    if (givenUp.aborted) kill();
    givenUp.addEventListener('abort', kill, { once: true });
    try {
      await made.#started.promise;
    } finally {
      givenUp.removeEventListener('abort', kill);
    }
    return made;
  }

  /**
   * Runs a method after all calls before it. Settles only while the thread lives.
   *
   * @throws what V8 throws for arguments that cannot be sent
   */
  async call(method: string, args: readonly unknown[]): Promise<Reply> {
    return this.#send({ method, args: args.map(toValueWire) });
  }

  #send(message: ToActor): Promise<Reply> {
    this.#port.postMessage(message);
    const { promise, resolve } = Promise.withResolvers<Reply>();
    this.#waiting.set(++this.#sent, resolve);
    return promise;
  }

  #answered(id: number, reply: Reply): void {
    this.#waiting.get(id)?.(reply);
    this.#waiting.delete(id);
  }

  /** Answers arrive in the order of the messages, so this is the answer to the oldest. */
  #unreadable(cause: Error): void {
    const [oldest] = this.#waiting.keys();
    if (oldest !== undefined)
      this.#answered(oldest, {
        ok: false,
        error: toErrorWire(
          new HandoffError(
            'NOT_SERIALIZABLE',
            `An answer cannot be read outside the actor's thread: ${cause.message}. Answer with plain data.`,
            {
              cause,
            },
          ),
        ),
      });
  }

  /** Lets running work finish and disposes of the instance, for at most `ms`; then ends the thread. */
  stop(ms: number): Promise<void> {
    this.#stopping ??= this.#stop(ms);
    return this.#stopping;
  }

  async #stop(ms: number): Promise<void> {
    const late = Promise.withResolvers<void>();
    const timer = setLongTimeout(late.resolve, ms);
    await Promise.race([this.#send({ close: true }), this.exited, late.promise]);
    timer.clear();
    this.kill();
    await this.exited;
  }

  /** Ends the thread at once. */
  kill(): void {
    this.#killed = true;
    void this.#thread.terminate();
  }

  #receive(message: FromActor): void {
    if (message.type === 'imported') return this.#importLimit?.clear();
    if (message.type === 'ready') {
      this.#isReady = true;
      return this.#started.resolve();
    }
    this.#reportedError = message.error;
    if (message.type !== 'failed') return;
    this.#started.reject(fromErrorWire(message.error));
    this.kill();
  }

  #exitOf(exitCode: number, failure: unknown): Exit {
    if (this.#stopping !== undefined) return { reason: 'shutdown' };
    const cause = this.#reportedError === undefined ? failure : fromErrorWire(this.#reportedError);
    const { code } = (failure ?? {}) as { code?: unknown };
    const crashed = (reason: string, text: string, details: object = {}): Exit => ({
      reason: 'error',
      error: new HandoffError('WORKER_CRASHED', `The thread of an actor ${text}.`, {
        reason,
        ...(cause !== undefined && { cause }),
        ...details,
      }),
    });
    if (code === 'ERR_WORKER_OUT_OF_MEMORY') return crashed('out-of-memory', 'ran out of memory');
    if (cause !== undefined) return crashed('uncaught', `ended with an uncaught error: ${messageOf(cause)}`);
    if (this.#killed) return crashed('killed', 'was ended');
    if (exitCode === 0) return { reason: 'normal' };
    // By this code Node says so, and later only the actor itself.
    if (exitCode === 13 && !this.#isReady)
      return crashed(
        'exit',
        'waits for something that never happens, while its module is imported or its instance made',
        {
          exitCode,
        },
      );
    return crashed('exit', `called process.exit(${exitCode})`, { exitCode });
  }
}

function cannotBeSent(name: string, why: string, cause?: unknown): HandoffError {
  return new HandoffError(
    'NOT_SERIALIZABLE',
    `An argument for the constructor of ${name} cannot be sent to its thread: ${why}. Pass plain data.`,
    { ...(cause !== undefined && { cause }) },
  );
}
