/** The time axis: which ms are shown over how many pixels, and how zooming and panning change that. */

/** ms from the run's start. */
export interface TimeRange {
  readonly from: number;
  readonly to: number;
}

/** ms. Clocks are not precise enough for shorter ranges. */
const minRangeMs = 0.02;
/** The maximum visible range, relative to the whole. */
const maxRangeShare = 1.5;

export function xOf(range: TimeRange, width: number, at: number): number {
  return ((at - range.from) / (range.to - range.from)) * width;
}

export function timeAt(range: TimeRange, width: number, x: number): number {
  return range.from + (x / width) * (range.to - range.from);
}

/**
 * @param factor above 1: shows less time
 * @param at ms; keeps its position on the screen
 */
export function zoomed(range: TimeRange, factor: number, at: number, domain: TimeRange): TimeRange {
  const width = range.to - range.from;
  const next = Math.min(Math.max(width / factor, minRangeMs), maxRangeMs(domain));
  const share = (at - range.from) / width;
  const from = at - share * next;
  return within({ from, to: from + next }, domain);
}

export function panned(range: TimeRange, ms: number, domain: TimeRange): TimeRange {
  return within({ from: range.from + ms, to: range.to + ms }, domain);
}

/** The whole range with a small margin. */
export function fitted(domain: TimeRange): TimeRange {
  const room = Math.max((domain.to - domain.from) * 0.01, minRangeMs / 2);
  return { from: domain.from - room, to: domain.to + room };
}

/** Moves the range so that its middle lies within the domain. */
function within(range: TimeRange, domain: TimeRange): TimeRange {
  const half = (range.to - range.from) / 2;
  const middle = Math.min(Math.max(range.from + half, domain.from), domain.to);
  return { from: middle - half, to: middle + half };
}

function maxRangeMs(domain: TimeRange): number {
  return Math.max((domain.to - domain.from) * maxRangeShare, 1);
}

/** ms between ticks: 1, 2 or 5 times a power of ten, with at most `max` ticks. */
export function tickStep(range: TimeRange, max: number): number {
  const minStep = (range.to - range.from) / Math.max(max, 1);
  const power = 10 ** Math.floor(Math.log10(minStep));
  for (const step of [1, 2, 5, 10]) if (step * power >= minStep * (1 - 1e-9)) return step * power;
  return 10 * power;
}

/** Times of ticks within a range. */
export function ticks(range: TimeRange, step: number): number[] {
  const first = Math.ceil(range.from / step);
  const last = Math.floor(range.to / step);
  return Array.from({ length: Math.max(last - first + 1, 0) }, (_, i) => (first + i) * step);
}

/** With as many digits as neighbouring labels need to differ: `0`, `250 µs`, `1.25 s`. */
export function tickLabel(at: number, step: number): string {
  if (Math.abs(at) < step / 2) return '0';
  const [unit, name] =
    Math.abs(at) >= 1000 || step >= 1000
      ? ([1000, 's'] as const)
      : step >= 1 || Math.abs(at) >= 1
        ? ([1, 'ms'] as const)
        : ([0.001, 'µs'] as const);
  const decimals = Math.max(0, -Math.floor(Math.log10(step / unit) + 1e-9));
  return `${(at / unit).toFixed(Math.min(decimals, 6))} ${name}`;
}
