/** Reads the program of a batch, function by function. */
import { Head, headBits, Word } from '../program.ts';
import { ArgTag } from '../wire.ts';
import { references } from './arguments.ts';
import type { LocalResults } from './local-results.ts';

export class Reader {
  readonly #words: Int32Array;
  readonly #values: readonly unknown[];
  readonly #held: LocalResults | undefined;
  #at: number;
  #nextValue = 0;
  /** Code number of the current function. */
  code = 0;
  /** Undefined when it was not sent, because no code here uses contexts. */
  functionId: string | undefined;
  /** From 1. */
  attempt = 0;
  /** The code of its `retryIf`; -1: none. */
  retryIf = -1;
  /** Whether another function takes its result. */
  isRead = true;
  /** Its place in a trace, when it is named; undefined: not traced. */
  traceparent: string | undefined;
  /** Its result is wrapped as `{ ok: true, value }`. */
  settles = false;
  /** Its arguments: values, or, when `tagged`, pairs of `ArgTag` and argument. */
  args: unknown[] = [];
  tagged = false;

  /** @param at where the program starts in `words` */
  constructor(words: Int32Array, at: number, values: readonly unknown[], held: LocalResults | undefined) {
    this.#words = words;
    this.#at = at;
    this.#values = values;
    this.#held = held;
  }

  /**
   * Reads the next function.
   *
   * @returns false when it needs a result of the same batch that does not exist
   */
  next(): boolean {
    const words = this.#words;
    this.code = words[this.#at++]!;
    const head = words[this.#at++]!;
    this.isRead = (head & Head.unread) === 0;
    this.settles = (head & Head.settles) !== 0;
    if ((head & Head.named) === 0) {
      this.functionId = undefined;
    } else {
      this.functionId = this.#values[this.#nextValue++] as string;
      this.traceparent = (head & Head.traced) === 0 ? undefined : (this.#values[this.#nextValue++] as string);
      this.attempt = words[this.#at++]!;
      this.retryIf = (head & Head.hasRetryIf) === 0 ? -1 : words[this.#at++]!;
    }
    return this.#readArgs(head >> headBits);
  }

  /** The code of the next function. */
  get nextCode(): number {
    return this.#words[this.#at]!;
  }

  /**
   * Results of other threads that the next function still waits for. Empty when it cannot run anyway, because another
   * argument will never exist.
   */
  awaited(): number[] {
    const words = this.#words;
    const head = words[this.#at + 1]!;
    if ((head & Head.hasImports) === 0) return [];
    const needed: number[] = [];
    let at = this.#at + 2 + ((head & Head.named) === 0 ? 0 : 1) + ((head & Head.hasRetryIf) === 0 ? 0 : 1);
    let value = this.#nextValue + ((head & Head.named) === 0 ? 0 : 1) + ((head & Head.traced) === 0 ? 0 : 1);
    for (const end = at + (head >> headBits); at < end; at++) {
      const word = words[at]!;
      if ((word & 3) === Word.integer) continue;
      if ((word & 3) === Word.local) {
        needed.push(word >> 2);
        continue;
      }
      if ((word & 3) === Word.tagged) references([word >> 2, this.#values[value]], 0, new Set(), needed);
      value++;
    }
    const pending = needed.filter((index) => !this.#held!.has(index));
    return pending.every((index) => this.#held!.isPending(index)) ? pending : [];
  }

  #readArgs(count: number): boolean {
    this.tagged = false;
    const args: unknown[] = count === 0 ? none : new Array(count);
    const from = this.#at;
    let complete = true;
    for (let k = 0; k < count; k++) {
      const word = this.#words[this.#at++]!;
      switch (word & 3) {
        case Word.integer:
          args[k] = word >> 2;
          break;
        case Word.value:
          args[k] = this.#values[this.#nextValue++];
          break;
        case Word.local: {
          const index = word >> 2;
          if (this.#held!.has(index)) args[k] = this.#held!.take(index);
          else complete = false; // read the rest anyway: the next function starts behind it
          break;
        }
        default:
          this.tagged = true;
          args[k] = this.#values[this.#nextValue++];
      }
    }
    this.args = this.tagged ? this.#toPairs(args, from) : args;
    return complete;
  }

  #toPairs(args: readonly unknown[], from: number): unknown[] {
    return args.flatMap((arg, k) => {
      const word = this.#words[from + k]!;
      return [(word & 3) === Word.tagged ? word >> 2 : ArgTag.value, arg];
    });
  }
}

const none: unknown[] = [];
