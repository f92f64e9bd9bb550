/** A data pipeline in five steps, on the weather of Seattle and New York. */
import { readFile } from 'node:fs/promises';

/** One day at one place; temperatures in °C, precipitation in mm, wind in m/s. */
export interface Day {
  readonly location: string;
  readonly date: string;
  readonly precipitation: number;
  readonly temp_max: number;
  readonly temp_min: number;
  readonly wind: number;
}

export type Measure = 'precipitation' | 'temp_max' | 'temp_min' | 'wind';

export interface Statistics {
  readonly count: number;
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  readonly median: number;
  readonly stddev: number;
}

/** Reads a CSV file of days. Its values contain no quotes or commas. */
export async function loadDays(path: string): Promise<Day[]> {
  const [head = '', ...lines] = (await readFile(path, 'utf8')).trim().split('\n');
  const columns = head.split(',');
  return lines.map((line) => {
    const cells = line.split(',');
    const cell = (name: string): string => cells[columns.indexOf(name)] ?? '';
    return {
      location: cell('location'),
      date: cell('date'),
      precipitation: Number(cell('precipitation')),
      temp_max: Number(cell('temp_max')),
      temp_min: Number(cell('temp_min')),
      wind: Number(cell('wind')),
    };
  });
}

/** One measure of the days on which it was above a threshold. */
export function filterAbove(days: readonly Day[], measure: Measure, threshold: number): number[] {
  return days.map((day) => day[measure]).filter((value) => value > threshold);
}

export function transform(values: readonly number[], operation: 'square' | 'sqrt' | 'log'): number[] {
  const apply = { square: (x: number) => x * x, sqrt: Math.sqrt, log: Math.log }[operation];
  return values.map(apply);
}

export function aggregate(values: readonly number[]): Statistics {
  if (values.length === 0) throw new RangeError('There is nothing to aggregate: the threshold is above every value.');
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
  return {
    count: values.length,
    min: sorted[0]!,
    max: sorted.at(-1)!,
    mean,
    median: sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2,
    stddev: Math.sqrt(values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length),
  };
}

/** The report, from the statistics and from the values before their transformation. */
export function format(statistics: Statistics, filtered: readonly number[]): string {
  const rows = Object.entries(statistics).map(
    ([name, value]) => `  ${name.padEnd(7)}${Number.isInteger(value) ? value : value.toFixed(2)}`,
  );
  return [`${filtered.length} days above the threshold`, ...rows].join('\n');
}
