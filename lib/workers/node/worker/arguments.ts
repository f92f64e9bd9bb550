/** Turns received arguments into values. */
import { decode } from '../../store/encode.ts';
import type { PayloadData } from '../../store/payload.ts';
import { ArgTag } from '../wire.ts';
import type { Callable } from './code.ts';

/** What tagged arguments may refer to. */
export interface ArgumentSources {
  /** A result of the same batch, as a copy for the caller. */
  local(index: number): unknown;
  /** A loaded function. */
  code(code: number): Callable;
}

/**
 * The values of the tagged arguments `flat[from], flat[from + 1], …`. A promise when an inline function among them
 * returns one.
 */
export function resolve(
  flat: readonly unknown[],
  from: number,
  count: number,
  around: ArgumentSources,
): unknown[] | Promise<unknown[]> {
  const values: unknown[] = new Array(count);
  let pending: Promise<void>[] | undefined;
  for (let k = 0; k < count; k++) {
    let value: unknown;
    try {
      value = resolveOne(flat[from + 2 * k] as number, flat[from + 2 * k + 1], around);
    } catch (error) {
      // The first failure becomes that of the function; ignore later ones.
      for (const each of pending ?? []) each.catch(() => {});
      throw error;
    }
    if (value instanceof Promise) (pending ??= []).push(value.then((settled) => void (values[k] = settled)));
    else values[k] = value;
  }
  return pending === undefined ? values : Promise.all(pending).then(() => values);
}

function resolveOne(tag: number, arg: unknown, around: ArgumentSources): unknown {
  switch (tag) {
    case ArgTag.value:
      return arg;
    case ArgTag.local:
      return around.local(arg as number);
    case ArgTag.payload:
      return decode(arg as PayloadData);
    case ArgTag.list:
      return resolve(arg as unknown[], 0, (arg as unknown[]).length / 2, around);
    case ArgTag.call: {
      const [code] = arg as [number];
      const args = resolve(arg as unknown[], 1, ((arg as unknown[]).length - 1) / 2, around);
      const fn = around.code(code);
      const result = args instanceof Promise ? args.then((settled) => fn(...settled)) : fn(...args);
      return isThenable(result) ? Promise.resolve(result) : result;
    }
    default:
      throw new TypeError(`unknown argument tag ${tag}`);
  }
}

export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as PromiseLike<unknown>).then === 'function';
}

/** Collects the codes of inline functions and the indexes of results of the same batch among tagged arguments. */
export function references(flat: readonly unknown[], from: number, codes: Set<number>, locals: number[]): void {
  for (let k = from; k < flat.length; k += 2) {
    const arg = flat[k + 1];
    switch (flat[k] as number) {
      case ArgTag.local:
        locals.push(arg as number);
        break;
      case ArgTag.list:
        references(arg as unknown[], 0, codes, locals);
        break;
      case ArgTag.call:
        codes.add((arg as [number])[0]);
        references(arg as unknown[], 1, codes, locals);
        break;
    }
  }
}
