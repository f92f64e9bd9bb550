/** What benchmarks tell: rows, as a table for people and as JSON for machines. */
import { availableParallelism, cpus } from 'node:os';

export interface Row {
  readonly group: string;
  readonly name: string;
  readonly unit: string;
  readonly ours: number;
  readonly byHand?: number;
  /** How many times better ours is; of the growth rows: how much dearer a function got from the smallest size on, reversed. */
  readonly ratio?: number;
  readonly better: 'higher' | 'lower';
}

export interface Report {
  readonly machine: string;
  readonly node: string;
  readonly date: string;
  readonly rows: readonly Row[];
}

export function toReport(rows: readonly Row[]): Report {
  return { machine: `${availableParallelism()} × ${cpus()[0]?.model.trim() ?? 'unknown'}`, node: process.version, date: new Date().toISOString().slice(0, 10), rows };
}

export function toMarkdown({ machine, node, date, rows }: Report): string {
  const lines = rows.map(({ name, unit, ours, byHand, ratio }) =>
    `| ${name} | ${format(ours)} ${unit} | ${byHand === undefined ? '' : `${format(byHand)} ${unit}`} | ${ratio === undefined ? '' : `${ratio.toFixed(1)}x`} |`);
  return ['| | handoff | by hand on Piscina | ratio |', '|---|---|---|---|', ...lines, '', `${machine}, Node ${node}, ${date}.`].join('\n');
}

function format(value: number): string {
  return value >= 1000 ? Math.round(value).toLocaleString('en') : value.toPrecision(3);
}
