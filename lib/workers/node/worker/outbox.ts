/** Messages that may wait until the thread has handled all that is there: many functions that end in one turn cost one message. */
import { toErrorWire } from '../../../core/error-wire.ts';
import { notSerializable } from '../../store/encode.ts';
import { type FailureWire, FromThread, ReportKind } from '../wire.ts';
import type { Post } from './report.ts';

export class Outbox {
  readonly #post: Post;
  #messages: unknown[][] = [];
  #transfer: ArrayBuffer[] = [];

  constructor(post: Post) {
    this.#post = post;
  }

  readonly post: Post = (message, transfer) => {
    if (this.#messages.push(message) === 1) setImmediate(() => this.flush());
    if (transfer !== undefined) this.#transfer.push(...transfer);
  };

  /** Sends what waits. */
  flush(): void {
    const messages = this.#messages;
    const transfer = this.#transfer;
    if (messages.length === 0) return;
    this.#messages = [];
    this.#transfer = [];
    try {
      this.#post(messages.length === 1 ? messages[0]! : [FromThread.many, messages], transfer);
    } catch {
      for (const message of messages) this.#sendAlone(message, transfer);
    }
  }

  /** A result that turns out not to be sendable becomes a failure of its function. */
  #sendAlone(message: unknown[], transfer: readonly ArrayBuffer[]): void {
    const [type, batch, count, , durations, spans, values] = message;
    try {
      this.#post(
        message,
        transfer.filter((buffer) => holds(values, buffer)),
      );
    } catch (cause) {
      if (type !== FromThread.ended) throw cause;
      const error = toErrorWire(notSerializable((values as unknown[])[0], cause));
      const failure: FailureWire = { error, retryable: false };
      this.#post([type, batch, count, [0, ReportKind.failed], durations, spans, [failure]]);
    }
  }
}

/** Whether a report contains these bytes. */
function holds(values: unknown, buffer: ArrayBuffer): boolean {
  return Array.isArray(values) && values.some((value) => (value as { bytes?: unknown } | null)?.bytes === buffer);
}
