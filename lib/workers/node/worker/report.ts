/** What a batch has given and not yet told: results as they were when their function returned. */
import { toErrorWire } from '../../../core/error-wire.ts';
import { isHandoffError } from '../../../core/errors.ts';
import { encode, notSerializable } from '../../store/encode.ts';
import { Payload } from '../../store/payload.ts';
import { type FailureWire, FromWorker, placed, ReportKind } from '../wire.ts';
import { copyOf, type Held, nothing } from './local-results.ts';

// When a function, or few that were timed together, take so long, in ms, it is told which.
const placedFrom = 1;

/** Sends a message to the node. The buffers in `transfer` go with it and are gone here. */
export type Post = (message: unknown[], transfer?: ArrayBuffer[]) => void;

export interface ReportOptions {
  /** Tell when each function began and ended. */
  readonly spans: boolean;
  /** Where results are held for those that take them; undefined when none does. */
  readonly held: Held | undefined;
}

export class Report {
  readonly #batch: number;
  readonly #post: Post;
  readonly #spansWanted: boolean;
  readonly #held: Held | undefined;
  #values: unknown[] = [];
  #exceptions: number[] = [];
  /** The bytes of results that no other thread reads. */
  #transfer: ArrayBuffer[] = [];
  /** `begun, ended, …` in ms since the epoch. */
  #spans: number[] = [];
  /** See `BatchReport`. */
  #durations: number[] = [];
  /** Index of the first function that has not been told. */
  #first = 0;

  constructor(batch: number, { spans, held }: ReportOptions, post: Post) {
    this.#batch = batch;
    this.#post = post;
    this.#spansWanted = spans;
    this.#held = held;
  }

  /**
   * Notes a result.
   *
   * @param posting whether the report is sent right away, which copies the value; else it is copied here, as what the
   *   function has kept of it may change before
   * @param isRead whether another function takes the result
   */
  succeed(value: unknown, posting: boolean, isRead: boolean): void {
    if (isPlain(value)) {
      this.#values.push(value);
      this.#held?.push(value);
      return;
    }
    try {
      const data = encode(value, isRead);
      if (data !== undefined) {
        this.#except(ReportKind.payload, data);
        if (data.kind === 'encoded' && data.bytes instanceof ArrayBuffer) this.#transfer.push(data.bytes);
        this.#held?.push(isRead ? new Payload(data) : nothing);
        return;
      }
      const copy = posting && !isPart(value) ? value : copyOf(value);
      this.#values.push(copy);
      this.#held?.push(copy);
    } catch (error) {
      this.fail(isHandoffError(error) ? error : notSerializable(value, error), false);
    }
  }

  fail(error: unknown, retryable: boolean): void {
    this.#except(ReportKind.failed, { error: toErrorWire(error), retryable } satisfies FailureWire);
    this.#held?.push(nothing);
  }

  /** It cannot be begun: a result that it takes is gone. */
  lose(file: string): void {
    this.#except(ReportKind.lost, file);
    this.#held?.push(nothing);
  }

  skip(): void {
    this.#except(ReportKind.skipped, undefined);
    this.#held?.push(nothing);
  }

  /** How many functions have been told. */
  get told(): number {
    return this.#first;
  }

  /** How long the last `count` functions, all of one code, took, in ms of this thread's clock. */
  measure(code: number, count: number, begun: number, ended: number): void {
    const durations = this.#durations;
    const last = durations.length - 3;
    if (ended - begun >= placedFrom) {
      durations.push(code, placed(this.#lastRun(), count), ended - begun);
    } else if (last >= 0 && durations[last] === code && durations[last + 1]! > 0) {
      durations[last + 1]! += count;
      durations[last + 2]! += ended - begun;
    } else {
      durations.push(code, count, ended - begun);
    }
    if (this.#spansWanted) this.#spans.push(performance.timeOrigin + begun, performance.timeOrigin + ended);
  }

  /** Tells what there is to tell. A value that turns out not to be sendable is told as a failure of its function. */
  flush(): void {
    const count = this.#values.length;
    if (count === 0) return;
    this.#send();
    this.#first += count;
    this.#values = [];
    this.#exceptions = [];
    this.#transfer = [];
    this.#durations = [];
    this.#spans = [];
  }

  #send(): void {
    try {
      this.#post(this.#message(), this.#transfer);
    } catch {
      for (const [k, value] of this.#values.entries()) {
        try {
          structuredClone(value);
        } catch (cause) {
          this.#turnIntoFailure(k, { error: toErrorWire(notSerializable(value, cause)), retryable: false });
        }
      }
      this.#post(this.#message(), this.#transfer);
    }
  }

  #message(): unknown[] {
    const exceptions = this.#exceptions.length === 0 ? null : this.#exceptions;
    return [
      FromWorker.ended,
      this.#batch,
      this.#values.length,
      exceptions,
      this.#durations,
      this.#spansWanted ? this.#spans : null,
      this.#values,
    ];
  }

  /** Index of the last function that was run. */
  #lastRun(): number {
    let index = this.#first + this.#values.length - 1;
    for (
      let at = this.#exceptions.length - 2;
      this.#exceptions[at] === index && this.#exceptions[at + 1]! >= ReportKind.skipped;
      at -= 2
    )
      index--;
    return index;
  }

  #except(kind: number, value: unknown): void {
    this.#exceptions.push(this.#first + this.#values.length, kind);
    this.#values.push(value);
  }

  #turnIntoFailure(k: number, failure: FailureWire): void {
    this.#values[k] = failure;
    const index = this.#first + k;
    let at = 0;
    while (at < this.#exceptions.length && this.#exceptions[at]! < index) at += 2;
    this.#exceptions.splice(at, this.#exceptions[at] === index ? 2 : 0, index, ReportKind.failed);
  }
}

/** Whether it is a view of some of a buffer, all of which a port would copy. */
function isPart(value: unknown): boolean {
  return ArrayBuffer.isView(value) && value.byteLength < value.buffer.byteLength && value.buffer instanceof ArrayBuffer;
}

/** Values that need no copy and no look: they cannot change, and any port takes them. */
function isPlain(value: unknown): boolean {
  switch (typeof value) {
    case 'number':
    case 'boolean':
    case 'undefined':
    case 'bigint':
      return true;
    default:
      return value === null;
  }
}
