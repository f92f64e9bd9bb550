/**
 * How long functions of one code usually take. Those that take much longer are measured, too, so they are not to count for much: what
 * is typical is a mean of which no single function can be more than a few times itself, begun from a median.
 *
 * Tukey, "The future of data analysis", 1962: winsorized means.
 */

export interface Typical {
  /** ms on a node of speed 1; 0: nothing is known yet. */
  typical: number;
  /** How far single functions are off that on average, in ms. */
  deviation: number;
  /** The first that were measured, until there are enough of them to begin with. */
  readonly first: number[];
}

// So many are measured before anything is said of others.
const enough = 5;

// No function counts for more than this many times what is typical, or for this many ms where that is nothing.
const mostTimes = 3;
const leastCap = 0.1;

// What takes longer than is typical by this many deviations is unusual, however much functions differ.
const deviations = 5;

export function createTypical(): Typical {
  return { typical: 0, deviation: 0, first: [] };
}

/**
 * Takes in one function, or the mean of several.
 *
 * @param weight its part of what will be known, 0 to 1
 */
export function learnTypical(known: Typical, ms: number, weight: number): void {
  if (known.typical === 0) return begin(known, ms);
  const counted = Math.min(ms, Math.max(leastCap, mostTimes * known.typical));
  known.deviation += (Math.abs(counted - known.typical) - known.deviation) * weight;
  known.typical += (counted - known.typical) * weight;
}

function begin(known: Typical, ms: number): void {
  const { first } = known;
  if (first.push(ms) < enough) return;
  first.sort((a, b) => a - b);
  const median = first[enough >> 1]!;
  const off = first.map((each) => Math.abs(each - median)).sort((a, b) => a - b);
  known.typical = median;
  known.deviation = off[enough >> 1]!;
  first.length = 0;
}

/** When copies are made, as plain numbers. */
export interface Speculation {
  /** How many times as long as is typical a function must run. */
  readonly factor: number;
  /** How long at least, in ms. */
  readonly minMs: number;
}

/** When a function is run once more. What is typical is learned from at least five functions of the same code. */
export interface SpeculateOptions {
  /** It has run this many times as long as is typical, at least 1. Default 2. */
  readonly factor?: number | undefined;
  /** And so many ms. Default 5. */
  readonly minMs?: number | undefined;
}

export const speculateExpected = 'true, false or { factor?, minMs? }, finite numbers of at least 1 and 0';

/** Whether a value is an option that `speculationOf` takes. */
export function isSpeculate(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return typeof value === 'boolean';
  const { factor = 1, minMs = 0, ...others } = value as Record<string, unknown>;
  return Number.isFinite(factor) && (factor as number) >= 1 && Number.isFinite(minMs) && (minMs as number) >= 0 && Object.keys(others).length === 0;
}

/** When copies are made, in plain numbers; null: never. */
export function speculationOf(option: boolean | SpeculateOptions = false): Speculation | null {
  if (option === false) return null;
  const { factor = 2, minMs = 5 } = option === true ? {} : option;
  return { factor, minMs };
}

/**
 * How long a function may run, in ms, before it is overdue; Infinity when too little is known.
 *
 * @param own ms on a node of speed 1 that are known of this very function; 0: nothing is
 * @param speed of its node
 */
export function overdueAfter({ typical, deviation }: Typical, own: number, speed: number, { factor, minMs }: Speculation): number {
  if (typical === 0) return Infinity;
  const usual = Math.max(typical, own);
  return Math.max((factor * usual) / speed, (usual + deviations * deviation) / speed, minMs);
}
