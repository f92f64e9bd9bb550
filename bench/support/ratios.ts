/** Whether we have become slower: compares the ratios to contestants in the same process with the committed ones. */
import type { Row } from './report.ts';

/** By row. */
export type Ratios = Readonly<Record<string, number>>;

// Ratios vary by a few percent from run to run; a larger drop is our fault.
const tolerated = 0.25;

export function ratiosOf(rows: readonly Row[]): Ratios {
  const compared = rows.filter(
    (row) => row.ratio !== undefined && Number.isFinite(row.ratio) && row.group !== 'growth',
  );
  return Object.fromEntries(compared.map((row) => [keyOf(row), Number(row.ratio!.toPrecision(3))]));
}

/** A line for each row whose ratio fell. Rows without a current measurement are left out. */
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
