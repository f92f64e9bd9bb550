/**
 * Selects what to paint of a thread: wide spans unchanged, and spans below a pixel merged into one per pixel. The cost
 * of painting depends on the width of the screen, not on the number of spans.
 */
import type { TrackSpans } from './track-spans.ts';
import { type TimeRange, xOf } from './scale.ts';

/** Columns that are reused for every thread and frame. */
export class Pieces {
  size = 0;
  /** Pixels. */
  x = new Float32Array(1024);
  width = new Float32Array(1024);
  /** The name with the largest share, as an index into the names of the graph. */
  name = new Uint16Array(1024);
  /** The share of the pixel's time in which something ran, 0 to 1. */
  share = new Float32Array(1024);
  /** 1: a span in it threw. */
  threw = new Uint8Array(1024);
  /** The span, if there is only one; -1: several. */
  span = new Int32Array(1024);

  add(x: number, width: number, name: number, share: number, threw: number, span: number): void {
    if (this.size === this.x.length) this.#grow();
    const i = this.size++;
    this.x[i] = x;
    this.width[i] = width;
    this.name[i] = name;
    this.share[i] = share;
    this.threw[i] = threw;
    this.span[i] = span;
  }

  #grow(): void {
    for (const key of ['x', 'width', 'name', 'share', 'threw', 'span'] as const) {
      const column = this[key];
      const into = new (column.constructor as new (size: number) => typeof column)(column.length * 2);
      into.set(column);
      (this[key] as typeof column) = into;
    }
  }
}

/**
 * @param code by function: its name
 * @param wanted a name to show wherever it occurs; -1: none
 * @param into cleared first
 */
export function mergeVisible(
  spans: TrackSpans,
  code: Uint16Array,
  range: TimeRange,
  width: number,
  wanted: number,
  into: Pieces,
): void {
  into.size = 0;
  const last = spans.firstBeginningAt(range.to);
  const perPixel = (range.to - range.from) / width;
  const { fn, begun, ended, threw } = spans;
  let pixel = Number.NaN;
  let span = -1;
  let busy = 0;
  let hasThrown = 0;
  // The name with the largest share of the pixel's time, by the majority vote of Boyer and Moore, weighted with
  // durations.
  let name = 0;
  let lead = 0;
  const flush = (): void => {
    if (!Number.isNaN(pixel)) into.add(pixel, 1, name, Math.min(1, busy / perPixel), hasThrown, span);
    pixel = Number.NaN;
  };
  for (let i = spans.firstEndingAt(range.from); i < last; i++) {
    const start = begun[i]!;
    const end = ended[i]!;
    if (end < range.from) continue;
    const x = xOf(range, width, start);
    const wide = (end - start) / perPixel;
    const own = code[fn[i]!]!;
    if (wide >= 1) {
      flush();
      into.add(x, wide, own, 1, threw[i]!, i);
      continue;
    }
    const at = Math.floor(x);
    const took = end - start;
    if (at !== pixel) {
      flush();
      pixel = at;
      span = i;
      busy = took;
      hasThrown = threw[i]!;
      name = own;
      lead = own === wanted ? Number.POSITIVE_INFINITY : took;
      continue;
    }
    span = -1;
    busy += took;
    hasThrown |= threw[i]!;
    if (own === wanted) {
      name = own;
      lead = Number.POSITIVE_INFINITY;
    } else if (own === name) lead += took;
    else if (took > lead) {
      name = own;
      lead = took - lead;
    } else lead -= took;
  }
  flush();
}
