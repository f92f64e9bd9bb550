/** What the timeline displays, and which item is under the pointer. */
import type { Mark } from '../../protocol.ts';
import type { TrackSpans } from '../track-spans.ts';
import { type Track, type Live, type RunData, State } from '../run-data.ts';
import { headingHeight, trackAt, type Rows } from '../rows.ts';
import { type TimeRange, timeAt, xOf } from '../scale.ts';

export interface TimelineModel {
  readonly data: RunData;
  /** ms from the run's start to its end, or to now. */
  readonly end: number;
  /** By name: its position in the palette. */
  readonly places: Uint8Array;
  /** The highlighted name; -1: none. */
  readonly highlight: number;
  /** The selected function; -1: none. */
  readonly selected: number;
}

/** Positions on the canvas, in pixels. */
export interface Geometry {
  readonly width: number;
  readonly height: number;
  /** The width of the area with the names of nodes and threads. */
  readonly gutter: number;
  readonly axis: number;
  readonly rows: Rows;
}

export type Hit =
  | {
      readonly kind: 'span';
      readonly track: number;
      readonly span: number;
      /** How many spans are here; `span` is the longest. */ readonly among: number;
    }
  | { readonly kind: 'live'; readonly live: Live }
  | { readonly kind: 'mark'; readonly mark: Mark; readonly among: number };

/** Pixels around the pointer that still count as a hit. */
const reach = 2;
const markReach = 6;

export function hitTest(
  model: TimelineModel,
  range: TimeRange,
  scrollTop: number,
  geometry: Geometry,
  x: number,
  y: number,
): Hit | undefined {
  const { gutter, axis, rows } = geometry;
  if (x < gutter || y < axis) return undefined;
  const inner = y - axis + scrollTop;
  const width = geometry.width - gutter;
  const from = timeAt(range, width, x - gutter - reach);
  const to = timeAt(range, width, x - gutter + reach);
  const track = trackAt(rows, inner);
  if (track !== undefined) return spanAt(model, track, from, to) ?? liveAt(model, track, from, to);
  const node = rows.nodes.find(({ top }) => inner >= top && inner < top + headingHeight);
  return node === undefined
    ? undefined
    : markAt(model, node.node, (at) => Math.abs(xOf(range, width, at) - (x - gutter)) <= markReach);
}

function spanAt(model: TimelineModel, track: number, from: number, to: number): Hit | undefined {
  const { spans } = model.data.tracks[track]!;
  const { begun, ended, fn } = spans;
  const last = spans.firstBeginningAt(to);
  let best = -1;
  let among = 0;
  for (let i = spans.firstEndingAt(from); i < last; i++) {
    if (ended[i]! < from || (model.highlight !== -1 && model.data.code[fn[i]!] !== model.highlight)) continue;
    among++;
    if (best === -1 || ended[i]! - begun[i]! > ended[best]! - begun[best]!) best = i;
  }
  return best === -1 ? undefined : { kind: 'span', track, span: best, among };
}

function liveAt({ data, end }: TimelineModel, track: number, from: number, to: number): Hit | undefined {
  const live = data.live.find(
    (one) => data.states[one.fn] === State.running && isOn(data.tracks[track]!, one) && one.since <= to && end >= from,
  );
  return live === undefined ? undefined : { kind: 'live', live };
}

function markAt({ data }: TimelineModel, node: string, isNear: (at: number) => boolean): Hit | undefined {
  const near = data.marks.filter((mark) => mark.node === node && isNear(mark.at));
  const gravest = near.findLast((mark) => mark.kind === 'failed' || mark.kind === 'crash') ?? near.at(-1);
  return gravest === undefined ? undefined : { kind: 'mark', mark: gravest, among: near.length };
}

export function isOn(track: Track, live: Live): boolean {
  return track.thread === live.thread && track.node === live.node && track.host === live.host;
}

/** The function of an item; -1: none. */
export function functionOf({ data }: TimelineModel, hit: Hit): number {
  if (hit.kind === 'span') return data.tracks[hit.track]!.spans.fn[hit.span]!;
  return hit.kind === 'live' ? hit.live.fn : hit.mark.fn;
}

/** The next or previous span of a thread; without a current span, the first visible one. */
export function neighbour(spans: TrackSpans, span: number, step: 1 | -1, range: TimeRange): number {
  if (spans.size === 0) return -1;
  if (span < 0) return Math.min(spans.firstBeginningAt(range.from), spans.size - 1);
  return Math.min(Math.max(span + step, 0), spans.size - 1);
}
