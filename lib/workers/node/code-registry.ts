/** Every piece of code that threads of this host may be asked to run, by number. Numbers are never used twice. */
import { CodeVersions } from '../code/versions.ts';
import type { CodeWire } from './wire.ts';

export class CodeList {
  /** What modules were when they were first asked for. */
  readonly versions = new CodeVersions();
  readonly #wires: CodeWire[] = [];
  readonly #numbers = new Map<string, number>();

  get size(): number {
    return this.#wires.length;
  }

  /** The number of some code, a new one if it is new. */
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
