/** Functions for the type tests. */
export interface Row {
  readonly id: number;
  readonly amount: number;
}

export async function load(_path: string): Promise<Row[]> {
  return [];
}

export function clean(rows: readonly Row[], _min = 0): Row[] {
  return [...rows];
}

export function total(rows: readonly Row[]): number {
  return rows.length;
}

export function sum(parts: readonly number[]): number {
  return parts.length;
}

export function bytes(size: number): Uint8Array {
  return new Uint8Array(size);
}

export function report(
  title: string,
  value: number,
  rows: readonly Row[],
): { title: string; value: number; rows: number } {
  return { title, value, rows: rows.length };
}

export function pair(both: readonly [number, string]): string {
  return both.join();
}

export function makeAdder(n: number): (x: number) => number {
  return (x) => x + n;
}

export function hidesFunction(): { items: { at: Date; go: () => void }[] } {
  return { items: [] };
}

export function promises(): { list: Promise<number>[] } {
  return { list: [] };
}

export function parse(text: string): number;
export function parse(bytes: Uint8Array, from: number): string;
export function parse(input: string | Uint8Array, _from?: number): number | string {
  return input.length;
}

export function first<Item>(list: readonly Item[]): Item {
  return list[0]!;
}

export class Model {
  predict(): number {
    return 1;
  }
}

export const version = 3;
