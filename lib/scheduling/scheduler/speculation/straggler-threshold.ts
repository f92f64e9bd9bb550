/**
 * The typical duration of functions of one code. Stragglers are measured too but should have little weight. So the
 * estimate is a mean that starts from a median and in which each value is limited to a few times the mean.
 *
 * Tukey, "The future of data analysis", 1962: winsorized means.
 */

export interface Typical {
  /** ms on a node of speed 1; 0 if nothing is known yet. */
  typical: number;
  /** The mean deviation of single functions from that, in ms. */
  deviation: number;
  /** The first measurements, until there are enough of them. */
  readonly first: number[];
}

// The number of measurements before a threshold exists.
const enough = 5;

// A measurement is limited to this many times the typical duration, or to this many ms if that is 0.
const maxFactor = 3;
const minCapMs = 0.1;

// A duration this many deviations above the typical one is unusual, however much functions differ.
const deviations = 5;

export function createTypical(): Typical {
  return { typical: 0, deviation: 0, first: [] };
}

/**
 * Adds the duration of a function, or the mean duration of several.
 *
 * @param weight its share of the new estimate, 0 to 1
 */
export function learnTypical(known: Typical, ms: number, weight: number): void {
  if (known.typical === 0) return begin(known, ms);
  const counted = Math.min(ms, Math.max(minCapMs, maxFactor * known.typical));
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
  /** The minimum run time as a multiple of the typical duration. */
  readonly factor: number;
  /** The minimum run time in ms. */
  readonly minMs: number;
}

/**
 * The run time in ms after which a function is overdue; Infinity if too little is known.
 *
 * @param own the known duration of this function in ms on a node of speed 1; 0 if unknown
 * @param speed the speed of its node
 */
export function overdueAfter(
  { typical, deviation }: Typical,
  own: number,
  speed: number,
  { factor, minMs }: Speculation,
): number {
  if (typical === 0) return Infinity;
  const usual = Math.max(typical, own);
  return Math.max((factor * usual) / speed, (usual + deviations * deviation) / speed, minMs);
}
