/** The steps: parts of the flights are read, cleaned and counted side by side, and put together at the end. */
import { readFileSync } from 'node:fs';

/** Flights as columns: arrival delay in minutes, distance in miles, hour of departure. */
export interface Flights {
  readonly delay: Int16Array;
  readonly distance: Int16Array;
  readonly hour: Uint8Array;
}

/** Flights and late flights by hour of departure. */
export interface Counts {
  readonly flights: number[];
  readonly late: number[];
}

interface Row {
  readonly delay: number;
  readonly distance: number;
  readonly time: number;
}

/** Reads one of `parts` equal parts of the file. */
export function extract(file: string, part: number, parts: number): Flights {
  const all = JSON.parse(readFileSync(file, 'utf8')) as readonly Row[];
  const rows = all.slice((all.length * part) / parts, (all.length * (part + 1)) / parts);
  return {
    delay: Int16Array.from(rows, ({ delay }) => delay),
    distance: Int16Array.from(rows, ({ distance }) => distance),
    hour: Uint8Array.from(rows, ({ time }) => Math.floor(time) % 24),
  };
}

/** Drops what cannot be right: flights of no length, and delays of more than a day. */
export function clean({ delay, distance, hour }: Flights): Flights {
  const isRight = (_: number, i: number): boolean => distance[i]! > 0 && Math.abs(delay[i]!) <= 24 * 60;
  return { delay: delay.filter(isRight), distance: distance.filter(isRight), hour: hour.filter(isRight) };
}

/** Counts the flights of each hour, and those that were late by more than `minutes`. */
export function count({ delay, hour }: Flights, minutes: number): Counts {
  const counts = empty();
  for (let i = 0; i < delay.length; i++) {
    counts.flights[hour[i]!]!++;
    if (delay[i]! > minutes) counts.late[hour[i]!]!++;
  }
  return counts;
}

export function merge(parts: readonly Counts[]): Counts {
  const counts = empty();
  for (const { flights, late } of parts) {
    for (let hour = 0; hour < 24; hour++) {
      counts.flights[hour]! += flights[hour]!;
      counts.late[hour]! += late[hour]!;
    }
  }
  return counts;
}

/** The share of late flights by time of day, as text. */
export function report({ flights, late }: Counts, minutes: number): string {
  const lines = [0, 6, 12, 18].map((from) => {
    const sum = (of: readonly number[]): number => of.slice(from, from + 6).reduce((a, b) => a + b, 0);
    const share = ((100 * sum(late)) / sum(flights)).toFixed(1);
    const hours = `${String(from).padStart(2, '0')}:00–${String(from + 6).padStart(2, '0')}:00`;
    return `${hours}  ${String(sum(flights)).padStart(6)} flights, ${share.padStart(4)} % more than ${minutes} min late`;
  });
  return lines.join('\n');
}

function empty(): Counts {
  return { flights: new Array<number>(24).fill(0), late: new Array<number>(24).fill(0) };
}
