/**
 * What a batch runs, as 32-bit words in shared memory: a function costs a few stores and no serialization. Whatever
 * does not fit into a word travels in a list of values, which is read along with the program.
 *
 * ```
 *   function:   code | count << headBits | Head | attempt, if named | code of its retryIf, if any | argument × count
 *   argument:   payload << 2 | Word
 *
 *     value     the next value of the list
 *     integer   the payload, signed
 *     local     the payload is an index of a result: below the batch's size, of an earlier function of the batch; from there on, of an
 *               import from another thread
 *     tagged    the payload is an `ArgTag`, which says what the next value of the list is
 * ```
 */

/** How many bits of a function's second word are `Head`; the bits above count its arguments. */
export const headBits = 6;

/** The low bits of a function's second word. */
export const Head = {
  /** It may call `context()`: its id is the next value of the list, its attempt (from 1) the next word. */
  named: 1,
  /** Its `retryIf` decides whether to retry. Only together with `named`. */
  hasRetryIf: 2,
  /** It takes results of other threads. */
  hasImports: 4,
  /** It is part of a trace: its `traceparent` is in the list, after its id. Only together with `named`. */
  traced: 8,
  /** No function takes its result, so no other thread reads it. */
  unread: 16,
  /** Its result is `{ ok: true, value }`, as its map settles. */
  settles: 32,
} as const;

/** The low two bits of an argument. */
export const Word = { value: 0, integer: 1, local: 2, tagged: 3 } as const;

/** Whether a value is a number that fits into a word: whole, of 30 bits, and not -0. */
export function isShort(value: unknown): value is number {
  return typeof value === 'number' && (value << 2) >> 2 === value && (value !== 0 || 1 / value > 0);
}

/** Collects words. Its memory is reused: copy a program before the next one begins. */
export class WordWriter {
  #words = new Int32Array(1024);
  #length = 0;

  begin(): void {
    this.#length = 0;
  }

  push(word: number): void {
    if (this.#length === this.#words.length) {
      const larger = new Int32Array(this.#length * 2);
      larger.set(this.#words);
      this.#words = larger;
    }
    this.#words[this.#length++] = word;
  }

  get written(): Int32Array {
    return this.#words.subarray(0, this.#length);
  }
}

/** Words of shared memory for programs, per thread. A batch that finds no room carries its own program. */
export const programWords = 32 * 1024;

/**
 * The shared memory of a thread as a ring of programs. They are freed in the order they were put there, because a
 * thread runs its batches in order.
 *
 * ```
 *   ░░░░▓▓▓▓▓▓▓▓▓▓▓▓░░░░░░░        ▓▓▓▓▓░░░░░░░▓▓▓▓▓▓▓
 *       oldest      end                 end    oldest
 * ```
 */
export class ProgramRing {
  readonly #words: Int32Array;
  /** Where each program starts, oldest first. */
  readonly #starts: number[] = [];
  #end = 0;

  constructor(words: Int32Array) {
    this.#words = words;
  }

  /** Adds a program. @returns where it starts; -1: no room */
  put(program: Int32Array): number {
    const at = this.#room(program.length);
    if (at < 0) return -1;
    this.#words.set(program, at);
    this.#starts.push(at);
    this.#end = at + program.length;
    return at;
  }

  /** Frees the oldest program. */
  free(): void {
    this.#starts.shift();
  }

  /** Removes the newest program. */
  undo(): void {
    this.#end = this.#starts.pop()!;
  }

  #room(length: number): number {
    const size = this.#words.length;
    const oldest = this.#starts[0];
    if (oldest === undefined) return length <= size ? 0 : -1;
    if (this.#end > oldest) {
      if (size - this.#end >= length) return this.#end;
      return oldest > length ? 0 : -1; // not equal: a full ring must not look like an empty one
    }
    return oldest - this.#end > length ? this.#end : -1;
  }
}
