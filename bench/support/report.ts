/** The results of benchmarks: rows, as a table and as JSON. */
import { availableParallelism, cpus } from 'node:os';

export interface Row {
  readonly group: string;
  readonly name: string;
  readonly unit: string;
  readonly ours: number;
  /** The same measurement on the contestant: hand-written code, or the raw mechanism below. */
  readonly beside?: number;
  /** The contestant, if it is not "by hand on Piscina". */
  readonly what?: string;
  /** How many times better ours is than the contestant; below 1: worse. */
  readonly ratio?: number;
  readonly goal?: Goal;
}

/** Our own goal. */
export interface Goal {
  readonly atLeast?: number;
  readonly atMost?: number;
  readonly ratioAtLeast?: number;
}

export interface Report {
  readonly machine: string;
  readonly node: string;
  readonly date: string;
  readonly rows: readonly Row[];
}

export function toReport(rows: readonly Row[]): Report {
  return {
    machine: `${availableParallelism()} × ${cpus()[0]?.model.trim() ?? 'unknown'}`,
    node: process.version,
    date: new Date().toISOString().slice(0, 10),
    rows,
  };
}

export function toMarkdown({ machine, node, date, rows }: Report): string {
  const lines = rows.map(({ name, unit, ours, beside, what, ratio, goal }) => [
    name,
    `${format(ours)} ${unit}`,
    beside === undefined ? '' : `${format(beside)} ${unit}${what === undefined ? '' : ` (${what})`}`,
    ratio === undefined || Number.isNaN(ratio) ? '' : `${ratio.toPrecision(ratio < 10 ? 2 : 3)}x`,
    goal === undefined ? '' : `${describeGoal(goal)} ${isMet(goal, ours, ratio) ? '✓' : '✗'}`,
  ]);
  return [
    '| | handoff | by hand on Piscina | ratio | goal |',
    '|---|---|---|---|---|',
    ...lines.map((cells) => `| ${cells.join(' | ')} |`),
    '',
    `${machine}, Node ${node}, ${date}.`,
  ].join('\n');
}

function isMet(
  { atLeast = -Infinity, atMost = Infinity, ratioAtLeast = -Infinity }: Goal,
  ours: number,
  ratio = NaN,
): boolean {
  return ours >= atLeast && ours <= atMost && (ratioAtLeast === -Infinity || ratio >= ratioAtLeast);
}

function describeGoal({ atLeast, atMost, ratioAtLeast }: Goal): string {
  return [
    atLeast !== undefined && `≥ ${format(atLeast)}`,
    atMost !== undefined && `≤ ${format(atMost)}`,
    ratioAtLeast !== undefined && `≥ ${format(ratioAtLeast)}x`,
  ]
    .filter((part) => part !== false)
    .join(', ');
}

function format(value: number): string {
  if (value === 0) return '0';
  if (value === Infinity) return 'more than measured:';
  return value >= 1000 ? Math.round(value).toLocaleString('en') : String(Number(value.toPrecision(3)));
}
