/** What goes to stdout: results for people, or JSON for machines. */
import { closeSync, openSync } from 'node:fs';
import { inspect } from 'node:util';
import { UsageError } from './exit.ts';

/**
 * JSON of values that JSON does not know: a BigInt as its digits, a Map as entries, a Set and a typed array as a list, an Error as its
 * name, message and fields.
 */
export function toJson(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) => {
    if (typeof inner === 'bigint') return inner.toString();
    if (inner instanceof Map) return [...inner];
    if (inner instanceof Set) return [...inner];
    if (ArrayBuffer.isView(inner) && !(inner instanceof DataView)) return [...(inner as Uint8Array)];
    if (inner instanceof Error) return { ...inner, name: inner.name, message: inner.message };
    return inner;
  }, 2);
}

/** A value for a person: a text as it is, anything else as Node shows it. */
export function toText(value: unknown): string {
  return typeof value === 'string' ? value : inspect(value, { depth: 4, maxArrayLength: 20, maxStringLength: 2000, colors: process.stdout.isTTY && process.env['NO_COLOR'] === undefined });
}

/** Columns, as wide as their widest cell; numbers to the right. */
export function toTable(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const cells = [head, ...rows.map((row) => row.map((cell) => (typeof cell === 'number' ? formatNumber(cell) : cell)))];
  const widths = head.map((_, column) => cells.reduce((width, row) => Math.max(width, row[column]!.length), 0));
  const right = head.map((_, column) => rows.length > 0 && rows.every((row) => typeof row[column] === 'number'));
  return cells.map((row) => row.map((cell, column) => (right[column] ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!))).join('  ').trimEnd()).join('\n');
}

export function formatNumber(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toFixed(value < 10 ? 2 : 1);
}

export function formatMs(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : ms < 60_000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`;
}

/** Writes to stdout; whoever reads may stop early, as `head` does. */
export function print(text: string): void {
  process.stdout.write(text.endsWith('\n') ? text : `${text}\n`);
}

/**
 * Makes sure that a file can be written; one that is there stays as it is.
 *
 * @throws `UsageError` naming the flag, the file and why not
 */
export function checkWritable(flag: string, file: string): void {
  try {
    closeSync(openSync(file, 'a'));
  } catch (error) {
    throw new UsageError(`${flag}: ${file} cannot be written: ${(error as Error).message}.`);
  }
}
