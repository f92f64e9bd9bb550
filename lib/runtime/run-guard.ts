/** Ends a run on behalf of its caller: by a signal or a timeout. */
import { textOf } from '../core/error-wire.ts';
import { HandoffError } from '../core/errors.ts';
import { type LongTimeout, setLongTimeout } from '../core/long-timeout.ts';
import { nameOfRun, type RunIds } from '../engine/run-ids.ts';
import type { ExecuteOptions } from './options/execute-options.ts';

export class RunGuard {
  readonly #ids: RunIds;
  readonly #signal: AbortSignal | undefined;
  readonly #abort: (reason: HandoffError, gently: boolean) => void;
  readonly #timer: LongTimeout | undefined;
  readonly #given = Promise.withResolvers<never>();
  readonly #onAbort = (): void => this.end(aborted(this.#ids, this.#signal!.reason));
  #reason: HandoffError | undefined;
  #gently = false;

  /**
   * @param abort ends the run, once it is running
   * @throws `ABORTED` when the signal is already aborted
   */
  constructor(
    ids: RunIds,
    { signal, timeout }: ExecuteOptions,
    abort: (reason: HandoffError, gently: boolean) => void,
  ) {
    this.#ids = ids;
    this.#abort = abort;
    this.#signal = signal;
    this.#given.promise.catch(() => {});
    if (signal?.aborted === true) throw aborted(ids, signal.reason);
    signal?.addEventListener('abort', this.#onAbort);
    if (timeout !== undefined) {
      this.#timer = setLongTimeout(() => {
        this.end(
          new HandoffError(
            'RUN_TIMEOUT',
            `The ${nameOfRun(ids)} took longer than its timeout of ${timeout} ms. Raise the option timeout, or make the DAG smaller.`,
            {
              ...ids,
              timeout,
            },
          ),
        );
      }, timeout);
    }
  }

  /** Rejects when the caller aborts the run. */
  get given(): Promise<never> {
    return this.#given.promise;
  }

  /** Waits for a step before the run, but not beyond the abort or timeout. */
  race<Value>(promise: Promise<Value>): Promise<Value> {
    return Promise.race([promise, this.#given.promise]);
  }

  /** Ends the run, now or as soon as `check` finds it running. `gently` lets running functions finish. */
  end(reason: HandoffError, gently = false): void {
    this.#reason ??= reason;
    this.#gently = gently;
    this.#given.reject(reason);
    this.#abort(reason, gently);
  }

  /** Ends the run if it was aborted during its creation. */
  check(): void {
    if (this.#reason !== undefined) this.#abort(this.#reason, this.#gently);
  }

  dispose(): void {
    this.#timer?.clear();
    this.#signal?.removeEventListener('abort', this.#onAbort);
  }
}

function aborted(ids: RunIds, reason: unknown): HandoffError {
  return new HandoffError('ABORTED', `The ${nameOfRun(ids)} was aborted: ${textOf(reason)}`, { ...ids, cause: reason });
}
