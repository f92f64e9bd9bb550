/** Collects the results of a batch for the next report, as they were when their functions returned. */
import { type GraphAnswer, isPlainGraph } from '../../../dag/expansion-answer.ts';
import { toErrorWire } from '../../../core/error-wire.ts';
import { isHandoffError } from '../../../core/errors.ts';
import { encode, notSerializable } from '../../store/encode.ts';
import { Payload } from '../../store/payload.ts';
import { type AnswerWire, type FailureWire, FromThread, hasNotBegun, placed, ReportKind } from '../wire.ts';
import { copyOf, type LocalResults, nothing } from './local-results.ts';

// A measurement of at least this many ms names its functions.
const minPlacedMs = 1;

/** Sends a message to the node. The buffers in `transfer` go with it and are gone here. */
export type Post = (message: unknown[], transfer?: ArrayBuffer[]) => void;

export interface ReportOptions {
  /** Report when each function began and ended. */
  readonly spans: boolean;
  /** Holds results for functions that take them; undefined: none does. */
  readonly held: LocalResults | undefined;
}

export class Report {
  readonly #batch: number;
  readonly #post: Post;
  readonly #spansWanted: boolean;
  readonly #held: LocalResults | undefined;
  #values: unknown[] = [];
  #exceptions: number[] = [];
  /** The bytes of results that no other thread reads. */
  #transfer: ArrayBuffer[] = [];
  /** `begun, ended, …` in ms since the epoch. */
  #spans: number[] = [];
  /** See `BatchReport`. */
  #durations: number[] = [];
  /** Index of the first function that is not reported. */
  #first = 0;

  constructor(batch: number, { spans, held }: ReportOptions, post: Post) {
    this.#batch = batch;
    this.#post = post;
    this.#spansWanted = spans;
    this.#held = held;
  }

  /**
   * Adds a result.
   *
   * @param posting whether the report is sent right away, which copies the value. Otherwise it is copied here,
   *   because the function may have kept a reference and change it later
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

  /** The function answered with a graph. Functions of the batch that take its result do not begin. */
  expand(graph: GraphAnswer): void {
    try {
      const data = isPlainGraph(graph) ? undefined : encode(graph);
      this.#except(ReportKind.expanded, (data === undefined ? { graph } : { data }) satisfies AnswerWire);
      this.#held?.push(nothing);
    } catch (error) {
      this.fail(isHandoffError(error) ? error : notSerializable(graph, error), false);
    }
  }

  fail(error: unknown, retryable: boolean): void {
    this.#except(ReportKind.failed, { error: toErrorWire(error), retryable } satisfies FailureWire);
    this.#held?.push(nothing);
  }

  /** The function cannot begin: one of its arguments is lost. */
  lose(file: string): void {
    this.#except(ReportKind.lost, file);
    this.#held?.push(nothing);
  }

  skip(): void {
    this.#except(ReportKind.skipped, undefined);
    this.#held?.push(nothing);
  }

  /** How many functions are reported. */
  get reported(): number {
    return this.#first;
  }

  /** Adds the duration of the last `count` functions, all of one code, in ms of this thread's clock. */
  measure(code: number, count: number, begun: number, ended: number): void {
    const durations = this.#durations;
    const last = durations.length - 3;
    if (ended - begun >= minPlacedMs) {
      durations.push(code, placed(this.#lastRun(), count), ended - begun);
    } else if (last >= 0 && durations[last] === code && durations[last + 1]! > 0) {
      durations[last + 1]! += count;
      durations[last + 2]! += ended - begun;
    } else {
      durations.push(code, count, ended - begun);
    }
    if (this.#spansWanted) this.#spans.push(performance.timeOrigin + begun, performance.timeOrigin + ended);
  }

  /** Sends the report. A value that turns out not to be sendable becomes a failure of its function. */
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
      FromThread.ended,
      this.#batch,
      this.#values.length,
      exceptions,
      this.#durations,
      this.#spansWanted ? this.#spans : null,
      this.#values,
    ];
  }

  /** Index of the last function that ran. */
  #lastRun(): number {
    let index = this.#first + this.#values.length - 1;
    for (
      let at = this.#exceptions.length - 2;
      this.#exceptions[at] === index && hasNotBegun(this.#exceptions[at + 1]!);
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

/** Whether it is a view of part of a buffer: a port would copy the whole buffer. */
function isPart(value: unknown): boolean {
  return ArrayBuffer.isView(value) && value.byteLength < value.buffer.byteLength && value.buffer instanceof ArrayBuffer;
}

/** Values that need no copy and no check: they are immutable, and any port takes them. */
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
