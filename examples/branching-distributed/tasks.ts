/**
 * The functions of this example. Each host has its own copy of this file; Handoff checks that the copies are equal
 * before anything runs.
 */

export interface Branch {
  readonly values: readonly number[];
  /** The process that computed them. */
  readonly pid: number;
}

export function input(): number[] {
  return [10, 20, 30];
}

export function increment(values: readonly number[]): Branch {
  return { values: values.map((value) => value + 1), pid: process.pid };
}

export function double(values: readonly number[]): Branch {
  return { values: values.map((value) => value * 2), pid: process.pid };
}

export function sum(...branches: readonly Branch[]): { readonly total: number; readonly processes: number } {
  return {
    total: branches.flatMap(({ values }) => values).reduce((total, value) => total + value, 0),
    processes: new Set(branches.map(({ pid }) => pid)).size,
  };
}
