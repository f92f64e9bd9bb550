/** All code that threads of this host may run, by number. Numbers are never reused. */
import { CodeVersions } from '../code/versions.ts';
import type { CodeWire } from './wire.ts';

export class CodeRegistry {
  /** The version of each module at its first use. */
  readonly versions = new CodeVersions();
  readonly #wires: CodeWire[] = [];
  readonly #numbers = new Map<string, number>();

  get size(): number {
    return this.#wires.length;
  }

  /** The number of some code; new code gets the next number. */
  number(key: string, toWire: () => CodeWire): number {
    let number = this.#numbers.get(key);
    if (number === undefined) {
      number = this.#wires.push(toWire()) - 1;
      this.#numbers.set(key, number);
    }
    return number;
  }

  wire(number: number): CodeWire {
    return this.#wires[number]!;
  }
}
