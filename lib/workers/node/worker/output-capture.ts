/** Redirects the output of a thread: to stderr, or to events that name the function that printed it. */
import { StringDecoder } from 'node:string_decoder';

// Longer text, in characters, is reported before its line ends.
const maxHeldChars = 16_384;

/** A function of a batch: the batch, and its index in it. */
type Running = readonly [number, number];

/** The unreported text of a function. */
interface Held {
  readonly by: Running;
  readonly stdout: Lines;
  readonly stderr: Lines;
}

/** Collects what functions print, in whole lines. */
export class OutputCapture {
  /** The running function. */
  readonly running: () => Running | undefined;
  readonly #report: (by: Running, text: string) => void;
  /** By batch, because a batch runs one function at a time. */
  readonly #held = new Map<number, Held>();

  constructor(running: () => Running | undefined, report: (by: Running, text: string) => void) {
    this.running = running;
    this.#report = report;
  }

  /** Adds text that a function printed. */
  print(
    by: Running,
    stream: 'stdout' | 'stderr',
    chunk: string | Uint8Array,
    encoding: BufferEncoding | undefined,
  ): void {
    let held = this.#held.get(by[0]);
    if (held === undefined) this.#held.set(by[0], (held = { by, stdout: new Lines(), stderr: new Lines() }));
    const lines = held[stream].add(chunk, encoding);
    if (lines !== '') this.#report(by, lines);
  }

  /**
   * Reports the held text. Call it before a function ends.
   *
   * @param batch only that of this batch; default: all
   */
  flush(batch?: number): void {
    if (this.#held.size === 0) return;
    for (const [id, { by, stdout, stderr }] of this.#held) {
      if (batch !== undefined && id !== batch) continue;
      this.#held.delete(id);
      for (const text of [stdout.end(), stderr.end()]) if (text !== '') this.#report(by, text);
    }
  }
}

/** The unreported rest of one stream. */
class Lines {
  readonly #decoder = new StringDecoder();
  #text = '';

  /** Adds text. @returns the lines that are now complete */
  add(chunk: string | Uint8Array, encoding: BufferEncoding | undefined): string {
    const isText = typeof chunk === 'string' && encoding === undefined;
    const text =
      this.#text +
      (isText
        ? this.#decoder.end() + chunk
        : this.#decoder.write(typeof chunk === 'string' ? Buffer.from(chunk, encoding) : Buffer.from(chunk)));
    const end = text.length > maxHeldChars ? text.length : text.lastIndexOf('\n') + 1;
    this.#text = text.slice(end);
    return text.slice(0, end);
  }

  end(): string {
    const text = this.#text + this.#decoder.end();
    this.#text = '';
    return text;
  }
}

/**
 * Redirects this thread's output to stderr.
 *
 * @param prints receives output of functions; output between functions goes to stderr. Undefined: everything goes to
 *   stderr
 */
export function redirectPrints(prints: OutputCapture | undefined): void {
  const { stdout, stderr } = process;
  const print = stderr.write.bind(stderr) as (chunk: string | Uint8Array, ...rest: unknown[]) => boolean;
  if (prints === undefined) {
    stdout.write = print as typeof stdout.write;
    return;
  }
  const writeOf =
    (stream: 'stdout' | 'stderr') =>
    (chunk: string | Uint8Array, ...rest: unknown[]): boolean => {
      const by = prints.running();
      if (by === undefined) return print(chunk, ...rest);
      prints.print(by, stream, chunk, rest.find((each) => typeof each === 'string') as BufferEncoding | undefined);
      const done = rest.find((each) => typeof each === 'function') as (() => void) | undefined;
      if (done !== undefined) queueMicrotask(done);
      return true;
    };
  stdout.write = writeOf('stdout') as typeof stdout.write;
  stderr.write = writeOf('stderr') as typeof stderr.write;
  process.on('exit', () => prints.flush()); // a function may end its thread
}
