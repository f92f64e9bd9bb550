/**
 * Turns a batch from another host into one of this host: each host has its own code numbers, and payloads on other
 * hosts are replaced.
 */
import { Head, headBits, Word } from './program.ts';
import { ArgTag } from './wire.ts';

export interface Translation {
  /** The number that this host has for some code. */
  code(number: number): number;
  /** What replaces a payload here. */
  payload(data: unknown): unknown;
}

/**
 * Translates a program and its values, in place.
 *
 * @returns by function: the position of its first word
 * @throws `RangeError` when the words are not a program of `size` functions
 */
export function translate(
  program: Int32Array,
  values: unknown[],
  size: number,
  { code, payload }: Translation,
): Int32Array {
  const starts = new Int32Array(size);
  let at = 0;
  let value = 0;
  for (let k = 0; k < size; k++) {
    starts[k] = at;
    program[at] = code(wordAt(program, at));
    const head = wordAt(program, at + 1);
    at += 2;
    if ((head & Head.named) !== 0) {
      value += (head & Head.traced) === 0 ? 1 : 2;
      at++;
      if ((head & Head.hasRetryIf) !== 0) {
        program[at] = code(wordAt(program, at));
        at++;
      }
    }
    for (let arg = 0, count = head >> headBits; arg < count; arg++) {
      const word = wordAt(program, at++);
      if ((word & 3) === Word.value) value++;
      else if ((word & 3) === Word.tagged) values[value] = tagged(word >> 2, values[value++]);
    }
  }
  if (at !== program.length || value !== values.length)
    throw new RangeError(`a program of ${program.length} words and ${values.length} values ends at ${at} and ${value}`);
  return starts;

  function tagged(tag: number, arg: unknown): unknown {
    switch (tag) {
      case ArgTag.payload:
        return payload(arg);
      case ArgTag.list:
        return pairs(arg as unknown[], 0);
      case ArgTag.call: {
        const call = arg as unknown[];
        call[0] = code(call[0] as number);
        return pairs(call, 1);
      }
      default:
        return arg;
    }
  }

  function pairs(list: unknown[], from: number): unknown[] {
    if (!Array.isArray(list)) throw new RangeError('a list of arguments is not a list');
    for (let k = from; k + 1 < list.length; k += 2) list[k + 1] = tagged(list[k] as number, list[k + 1]);
    return list;
  }
}

function wordAt(program: Int32Array, at: number): number {
  const word = program[at];
  if (word === undefined) throw new RangeError(`a program of ${program.length} words has none at ${at}`);
  return word;
}
