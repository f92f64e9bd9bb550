/**
 * What a batch is to run, as 32-bit words in shared memory, so that a function costs a few stores and no serializing.
 * What is not a word travels beside the program in a list of values, which is read along with it.
 *
 * ```
 *   function:   code | count << headBits | Head | attempt, if named | code of its retryIf, if judged | argument × count
 *   argument:   payload << 2 | Word
 *
 *     value     the next of the list, as it is
 *     integer   the payload, signed
 *     local     the result of an earlier function of the batch: its index; from the size of the batch on, what another worker hands over,
 *               by place
 *     tagged    the payload is an `ArgTag`, the next of the list what it says
 * ```
 */

/** How many bits of a function's second word are `Head`; those above count its arguments. */
export const headBits = 5;

/** The low bits of a function's second word. */
export const Head = {
  /** It may ask for its context: its id is the next of the list, its attempt (from 1) the next word. */
  named: 1,
  /** Its `retryIf` decides about trying again. Only together with `named`. */
  judged: 2,
  /** It takes what another worker hands over. */
  fed: 4,
  /** It is part of a trace: its `traceparent` is the next of the list, after its id. Only together with `named`. */
  traced: 8,
  /** No function takes its result, so no other thread reads it. */
  unread: 16,
} as const;

/** The low two bits of an argument. */
export const Word = { value: 0, integer: 1, local: 2, tagged: 3 } as const;

/** Whether a value is a number that a word can hold: whole, of 30 bits, and not -0. */
export function isShort(value: unknown): value is number {
  return typeof value === 'number' && (value << 2) >> 2 === value && (value !== 0 || 1 / value > 0);
}

/** Words one after the other. The memory is used again: a program is to be copied before the next is begun. */
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

/** How many words of shared memory a thread has for programs; a batch that finds no room brings its own. */
export const programWords = 32 * 1024;

/**
 * The shared memory of a thread, as a ring of programs. They are freed in the order in which they were put there, as a
 * worker works.
 *
 * ```
 *   ░░░░▓▓▓▓▓▓▓▓▓▓▓▓░░░░░░░        ▓▓▓▓▓░░░░░░░▓▓▓▓▓▓▓
 *       oldest      end                 end    oldest
 * ```
 */
export class ProgramRing {
  readonly #words: Int32Array;
  /** Where each program starts, the oldest first. */
  readonly #starts: number[] = [];
  #end = 0;

  constructor(words: Int32Array) {
    this.#words = words;
  }

  /** Puts a program there, and gives where it starts; -1 when there is no room. */
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

  /** Takes the newest program out again. */
  undo(): void {
    this.#end = this.#starts.pop()!;
  }

  #room(length: number): number {
    const size = this.#words.length;
    const oldest = this.#starts[0];
    if (oldest === undefined) return length <= size ? 0 : -1;
    if (this.#end > oldest) {
      if (size - this.#end >= length) return this.#end;
      return oldest > length ? 0 : -1; // strictly: a full ring must not look like an empty one
    }
    return oldest - this.#end > length ? this.#end : -1;
  }
}
