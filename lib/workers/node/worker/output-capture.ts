/** Redirects the output of a thread: to stderr, or to events that name the function that printed it. */
import { StringDecoder } from 'node:string_decoder';

// Longer text, in characters, is reported before its line ends.
const maxHeldChars = 16_384;

/** A function of a batch: the batch, and its index in it. */
type Running = readonly [number, number];

/** Collects what functions print, in whole lines. */
export class OutputCapture {
  /** The running function. */
  readonly running: () => Running | undefined;
  readonly #report: (by: Running, text: string) => void;
  /** The function that printed the held text. */
  #by: Running | undefined;
  readonly #streams = { stdout: new Lines(), stderr: new Lines() } as const;

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
    const lines = this.#streams[stream].add(chunk, encoding);
    this.#by = by;
    if (lines !== '') this.#report(by, lines);
  }

  /** Reports the held text. Call it before a function ends. */
  flush(): void {
    const by = this.#by;
    if (by === undefined) return;
    this.#by = undefined;
    for (const stream of [this.#streams.stdout, this.#streams.stderr]) {
      const text = stream.end();
      if (text !== '') this.#report(by, text);
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
