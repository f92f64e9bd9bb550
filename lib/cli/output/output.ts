/** Formats results: text for people, JSON for machines. */
import { inspect } from 'node:util';
import { UsageError } from '../exit.ts';
import { columnsOf, padded } from './printable.ts';

/**
 * JSON that also covers values JSON lacks: a BigInt becomes its digits, a Map its entries, a Set, an ArrayBuffer or a
 * typed array a list, an Error its name, message, cause and fields, `undefined` becomes null, and a circular reference
 * `"[circular]"`.
 */
export function toJson(value: unknown): string {
  return JSON.stringify(toPlain(value, []), undefined, 2);
}

function toPlain(value: unknown, around: readonly object[]): unknown {
  if (value === undefined || typeof value === 'function' || typeof value === 'symbol') return null;
  if (typeof value === 'bigint') return value.toString();
  if (typeof value !== 'object' || value === null) return value;
  if (around.includes(value)) return '[circular]';
  const inside = [...around, value];
  const plain = (each: unknown): unknown => toPlain(each, inside);
  if (value instanceof Map) return [...value].map(plain);
  if (value instanceof Set) return [...value].map(plain);
  if (value instanceof ArrayBuffer || value instanceof SharedArrayBuffer) return [...new Uint8Array(value)];
  if (value instanceof DataView) return [...new Uint8Array(value.buffer, value.byteOffset, value.byteLength)];
  if (ArrayBuffer.isView(value)) return [...(value as unknown as Iterable<unknown>)].map(plain);
  if (Array.isArray(value)) return value.map(plain);
  if (value instanceof Error)
    return fields(
      { ...value, name: value.name, message: value.message, ...(value.cause !== undefined && { cause: value.cause }) },
      plain,
    );
  const { toJSON } = value as { toJSON?: unknown };
  return typeof toJSON === 'function' ? plain(toJSON.call(value)) : fields(value, plain);
}

function fields(value: object, plain: (each: unknown) => unknown): Record<string, unknown> {
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, plain(each)]));
}

/** A value for a person: a string as it is, anything else as Node inspects it. */
export function toText(value: unknown): string {
  return typeof value === 'string'
    ? value
    : inspect(value, {
        depth: 4,
        maxArrayLength: 20,
        maxStringLength: 2000,
        colors: process.stdout.isTTY && process.env['NO_COLOR'] === undefined,
      });
}

/** A table with columns as wide as their widest cell; numbers are right-aligned. */
export function toTable(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const cells = [head, ...rows.map((row) => row.map((cell) => (typeof cell === 'number' ? formatNumber(cell) : cell)))];
  const widths = head.map((_, column) => cells.reduce((width, row) => Math.max(width, columnsOf(row[column]!)), 0));
  const right = head.map((_, column) => rows.length > 0 && rows.every((row) => typeof row[column] === 'number'));
  return cells
    .map((row) =>
      row
        .map((cell, column) => padded(cell, widths[column]!, right[column] ? 'before' : 'after'))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

export function formatNumber(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toFixed(value < 10 ? 2 : 1);
}

export function formatMs(ms: number): string {
  return ms < 1000
    ? `${Math.round(ms)} ms`
    : ms < 60_000
      ? `${(ms / 1000).toFixed(1)} s`
      : `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`;
}

export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10));
  return `${Number((bytes / 1024 ** power).toPrecision(3))} ${units[power]}`;
}

/** @throws `UsageError` naming the flag */
export function toNumber(flag: string, text: string): number {
  const value = Number(text);
  if (text.trim() === '' || Number.isNaN(value))
    throw new UsageError(`${flag}: ${JSON.stringify(text)} is not a number. Give digits, such as ${flag} 1000.`);
  return value;
}
