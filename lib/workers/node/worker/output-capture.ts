/** Where what is printed in a worker goes: to stderr, or to whoever wants to know which function said it. */
import { StringDecoder } from 'node:string_decoder';

// What is so long, in characters, is told though its line has no end yet.
const longest = 16_384;

/** A function of a batch: the batch, and its index in it. */
type Running = readonly [number, number];

/** What functions print, whole lines at a time. */
export class Prints {
  /** The function that runs. */
  readonly running: () => Running | undefined;
  readonly #tell: (by: Running, text: string) => void;
  /** Who printed what is held. */
  #by: Running | undefined;
  readonly #streams = { stdout: new Lines(), stderr: new Lines() } as const;

  constructor(running: () => Running | undefined, tell: (by: Running, text: string) => void) {
    this.running = running;
    this.#tell = tell;
  }

  /** Takes what a function printed. */
  print(
    by: Running,
    stream: 'stdout' | 'stderr',
    chunk: string | Uint8Array,
    encoding: BufferEncoding | undefined,
  ): void {
    const lines = this.#streams[stream].add(chunk, encoding);
    this.#by = by;
    if (lines !== '') this.#tell(by, lines);
  }

  /** Tells what is held. To be called before a function ends. */
  flush(): void {
    const by = this.#by;
    if (by === undefined) return;
    this.#by = undefined;
    for (const stream of [this.#streams.stdout, this.#streams.stderr]) {
      const text = stream.end();
      if (text !== '') this.#tell(by, text);
    }
  }
}

/** The end of one stream that is not told yet. */
class Lines {
  readonly #decoder = new StringDecoder();
  #text = '';

  /** Gives the lines that are whole by now, as one text. */
  add(chunk: string | Uint8Array, encoding: BufferEncoding | undefined): string {
    const isText = typeof chunk === 'string' && encoding === undefined;
    const text =
      this.#text +
      (isText
        ? this.#decoder.end() + chunk
        : this.#decoder.write(typeof chunk === 'string' ? Buffer.from(chunk, encoding) : Buffer.from(chunk)));
    const end = text.length > longest ? text.length : text.lastIndexOf('\n') + 1;
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
 * Has this thread print to stderr, all of it.
 *
 * @param prints takes what functions print; what is printed while none runs goes to stderr. Undefined: all goes there
 */
export function redirectPrints(prints: Prints | undefined): void {
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
