/** Reads the program of a batch, function by function. */
import { ArgTag, type SpecialItem } from '../wire.ts';
import { Word } from '../program.ts';
import type { Report } from './report.ts';

export class Reader {
  readonly #words: Int32Array;
  readonly #values: readonly unknown[];
  readonly #report: Report;
  #at: number;
  #nextValue = 0;
  /** Of the function whose head was read last. */
  code = 0;
  special: SpecialItem | undefined;
  #count = 0;
  /** Its arguments as read: values; when `tagged`, pairs of `ArgTag` and what it says. */
  args: unknown[] = [];
  tagged = false;

  /** @param at where the program starts in `words` */
  constructor(words: Int32Array, at: number, values: readonly unknown[], report: Report) {
    this.#words = words;
    this.#at = at;
    this.#values = values;
    this.#report = report;
  }

  /**
   * Goes to the next function: its `code`, `special`, `args`, `tagged`.
   *
   * @returns false when it needs a result of the same batch that is not there
   */
  next(): boolean {
    this.code = this.#words[this.#at++]!;
    const head = this.#words[this.#at++]!;
    this.tagged = false;
    if ((head & 1) !== 0) return this.#readSpecial();
    this.special = undefined;
    this.#count = head >> 1;
    return this.#readArgs();
  }

  #readSpecial(): boolean {
    this.special = this.#values[this.#nextValue++] as SpecialItem;
    this.args = this.special.args as unknown[];
    this.tagged = true;
    return true;
  }

  #readArgs(): boolean {
    const count = this.#count;
    const args: unknown[] = count === 0 ? none : new Array(count);
    const from = this.#at;
    let complete = true;
    for (let k = 0; k < count; k++) {
      const word = this.#words[this.#at++]!;
      switch (word & 3) {
        case Word.integer: args[k] = word >> 2; break;
        case Word.value: args[k] = this.#values[this.#nextValue++]; break;
        case Word.local: {
          const index = word >> 2;
          if (this.#report.gave(index)) args[k] = this.#report.local(index);
          else complete = false; // what follows is read all the same, as the next function starts behind it
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
