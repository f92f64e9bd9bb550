/** The record of a function that a run has grown by. */
import type { Entry } from '../../../dag/compile/entry.ts';

/** Its id is made on demand, because there may be millions, and long ones. */
export class AppendedEntry implements Entry {
  readonly #of: Entry;
  readonly #own: Entry;
  readonly #suffix: string | number;

  /**
   * @param of the map of an element, or the function that answered with a graph
   * @param own what the function is like
   * @param suffix what its id has more than that of `of`: a text, or the number of an element
   */
  constructor(of: Entry, own: Entry, suffix: string | number) {
    this.#of = of;
    this.#own = own;
    this.#suffix = suffix;
  }

  get id(): string {
    const parts = [textOf(this.#suffix)];
    let at = this.#of;
    for (; at instanceof AppendedEntry; at = at.#of) parts.push(textOf(at.#suffix));
    return at.id + parts.toReversed().join('');
  }

  get args(): Entry['args'] {
    return this.#own.args;
  }

  get code(): Entry['code'] {
    return this.#own.code;
  }

  get extraArgs(): Entry['extraArgs'] {
    return this.#own.extraArgs;
  }

  get traits(): Entry['traits'] {
    return this.#own.traits;
  }
}

function textOf(suffix: string | number): string {
  return typeof suffix === 'number' ? `[${suffix}]` : suffix;
}
