/**
 * Whether we have become slower: ratios to what was measured beside in the same process, against those that were
 * committed.
 */
import type { Row } from './report.ts';

/** By row. */
export type Ratios = Readonly<Record<string, number>>;

// Ratios move by a few percent from run to run; a fall by more is ours.
const tolerated = 0.25;

export function ratiosOf(rows: readonly Row[]): Ratios {
  const compared = rows.filter(
    (row) => row.ratio !== undefined && Number.isFinite(row.ratio) && row.group !== 'growth',
  );
  return Object.fromEntries(compared.map((row) => [keyOf(row), Number(row.ratio!.toPrecision(3))]));
}

/** A line for each row whose ratio fell. Rows that were not measured now are left out. */
export function fallen(committed: Ratios, rows: readonly Row[]): string[] {
  const now = ratiosOf(rows);
  return Object.entries(committed).flatMap(([name, before]) => {
    const after = now[name];
    if (after === undefined || after >= before * (1 - tolerated)) return [];
    return `${name}: ${after}x, was ${before}x (${Math.round((after / before - 1) * 100)} %)`;
  });
}

function keyOf({ group, name, what = 'by hand' }: Row): string {
  return `${group}: ${name} (${what})`;
}
