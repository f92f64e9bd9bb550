/** The steps: list the files of a folder, read each, register what it holds at the catalogue, and report. */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, extname, join } from 'node:path';

/** What a file holds. */
export interface Table {
  readonly name: string;
  readonly bytes: number;
  readonly rows: number;
  readonly columns: readonly string[];
}

/** A table and its number in the catalogue. */
export interface Entry extends Table {
  readonly number: number;
}

/** The files of a folder with one of these extensions, by name. */
export function listFiles(folder: string, extensions: readonly string[]): string[] {
  const files = readdirSync(folder).filter((file) => extensions.includes(extname(file)));
  return files.toSorted().map((file) => join(folder, file));
}

/** Reads a file. One that is not a table has no rows. */
export function readTable(path: string): Table {
  const text = readFileSync(path, 'utf8');
  const { rows, columns } = extname(path) === '.json' ? fromJson(text) : fromLines(text);
  return { name: basename(path), bytes: Buffer.byteLength(text), rows, columns };
}

/** Registers a table. The catalogue answers 429 to those who ask too often, and then this function throws. */
export async function register(table: Table, catalogue: string): Promise<Entry> {
  const response = await fetch(catalogue, { method: 'POST', body: JSON.stringify(table) });
  if (!response.ok) throw new Error(`The catalogue answered ${response.status} to ${table.name}.`);
  return { ...table, number: Number(await response.text()) };
}

/** Whether some files are not tables. */
export function hasOthers(tables: readonly Table[]): boolean {
  return tables.some(({ rows }) => rows === 0);
}

/** What the catalogue has, and the longest tables. */
export function report(entries: readonly Entry[]): string {
  const rows = entries.reduce((sum, each) => sum + each.rows, 0);
  const longest = entries.toSorted((a, b) => b.rows - a.rows).slice(0, 3);
  const lines = longest.map(
    ({ name, rows: count, columns }) =>
      `  ${name.padEnd(24)} ${String(count).padStart(7)} rows, ${columns.length} columns`,
  );
  return [`${entries.length} files, ${rows} rows`, ...lines].join('\n');
}

/** The same of the tables alone, and the names of the other files. */
export function reportBoth(entries: readonly Entry[]): string {
  const others = entries.filter(({ rows }) => rows === 0).map(({ name }) => name);
  return `${report(entries.filter(({ rows }) => rows > 0))}\n  not tables: ${others.join(', ')}`;
}

function fromLines(text: string): Pick<Table, 'rows' | 'columns'> {
  const [head = '', ...lines] = text.trim().split('\n');
  return { rows: lines.length, columns: head.trim().split(/[\t,]/) };
}

function fromJson(text: string): Pick<Table, 'rows' | 'columns'> {
  const value: unknown = JSON.parse(text);
  const first: unknown = Array.isArray(value) ? value[0] : undefined;
  if (typeof first !== 'object' || first === null || Array.isArray(first)) return { rows: 0, columns: [] };
  return { rows: (value as unknown[]).length, columns: Object.keys(first) };
}
