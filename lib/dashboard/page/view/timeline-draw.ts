/** Paints the visible part of the timeline, with at most as many pieces as there are pixels. */
import { inkOn, looks, lookOf, type Theme } from '../colors.ts';
import { markKinds, markShapes } from '../mark-shapes.ts';
import { mergeVisible, Pieces } from '../merge.ts';
import { plainText } from '../plain-text.ts';
import { headingHeight, hostHeight, type NodeRow } from '../rows.ts';
import { State } from '../run-data.ts';
import { tickLabel, ticks, tickStep, type TimeRange, xOf } from '../scale.ts';
import { type Geometry, isOn, type TimelineModel } from './timeline-model.ts';

/** All colours other than those of functions, from style.css. */
export interface Inks {
  readonly surface: string;
  readonly stripe: string;
  readonly line: string;
  readonly ink: string;
  readonly quiet: string;
  readonly accent: string;
  readonly danger: string;
  readonly warning: string;
  /** By position of a name. `wide` is hatched, if at all, for pieces with enough room. */
  readonly fills: readonly { readonly color: string; readonly ink: string; readonly wide: string | CanvasPattern }[];
}

export function readInks(theme: Theme): Inks {
  const style = getComputedStyle(document.documentElement);
  const of = (name: string): string => style.getPropertyValue(`--${name}`).trim();
  return {
    surface: of('surface'),
    stripe: of('stripe'),
    line: of('line'),
    ink: of('ink'),
    quiet: of('quiet'),
    accent: of('accent'),
    danger: of('danger'),
    warning: of('warning'),
    fills: Array.from({ length: looks }, (_, place) => {
      const { color, isHatched } = lookOf(place, theme);
      return { color, ink: inkOn(color), wide: isHatched ? hatched(color, of('surface')) : color };
    }),
  };
}

function hatched(color: string, stripe: string): CanvasPattern {
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = 8;
  const context = canvas.getContext('2d')!;
  context.fillStyle = color;
  context.fillRect(0, 0, 8, 8);
  context.strokeStyle = stripe;
  context.globalAlpha = 0.45;
  context.lineWidth = 1.6;
  context.stroke(new Path2D('M-2 2 L2 -2 M-1 9 L9 -1 M6 10 L10 6'));
  return context.createPattern(canvas, 'repeat')!;
}

export interface Cursor {
  readonly track: number;
  readonly span: number;
}

const font = '11px system-ui, sans-serif';
const boldFont = '600 11px system-ui, sans-serif';
/** The approximate width of a letter in pixels: measuring each label would cost more than the rest of the frame. */
const letter = 6.1;
const minLabelWidth = 34;
const pieces = new Pieces();
const glyphs = new Map(markKinds.map((kind) => [kind, new Path2D(markShapes[kind].path)]));

/** @param context scaled so that one unit is one CSS pixel */
export function drawTimeline(
  context: CanvasRenderingContext2D,
  model: TimelineModel,
  range: TimeRange,
  scrollTop: number,
  geometry: Geometry,
  inks: Inks,
  cursor: Cursor | undefined,
): void {
  const { width, height, gutter, axis, rows } = geometry;
  context.globalAlpha = 1;
  context.fillStyle = inks.surface;
  context.fillRect(0, 0, width, height);
  const step = tickStep(range, (width - gutter) / 90);
  const at = ticks(range, step);
  context.save();
  context.beginPath();
  context.rect(gutter, 0, width - gutter, height);
  context.clip();
  context.translate(gutter, 0);
  const seen = rows.nodes.filter(
    ({ top, tracks }) =>
      top - scrollTop <= height && top + headingHeight + tracks.length * rows.trackHeight >= scrollTop,
  );
  context.fillStyle = inks.stripe;
  for (const { tracks } of seen)
    for (const { top } of tracks) context.fillRect(0, axis + top - scrollTop, width, rows.trackHeight - 1);
  context.fillStyle = inks.line;
  for (const time of at) context.fillRect(Math.round(xOf(range, width - gutter, time)), axis, 1, height - axis);
  context.translate(0, axis - scrollTop);
  for (const node of seen) {
    for (const { track, top } of node.tracks) drawTrack(context, model, range, track, top, geometry, inks);
    drawMarks(context, model, range, node, width - gutter, inks);
  }
  const end = xOf(range, width - gutter, model.end);
  context.fillStyle = inks.quiet;
  if (end < width - gutter) context.fillRect(Math.round(end), scrollTop, 1, height - axis);
  drawSelection(context, model, range, geometry, inks, cursor);
  context.restore();
  drawGutter(context, model, scrollTop, geometry, inks);
  drawAxis(context, range, at, step, geometry, inks);
}

function drawTrack(
  context: CanvasRenderingContext2D,
  model: TimelineModel,
  range: TimeRange,
  track: number,
  top: number,
  geometry: Geometry,
  inks: Inks,
): void {
  const { data, places, highlight } = model;
  const width = geometry.width - geometry.gutter;
  const height = geometry.rows.trackHeight - 1;
  const { spans } = data.tracks[track]!;
  mergeVisible(spans, data.code, range, width, highlight, pieces);
  const hasLabels = height >= 12;
  for (let i = 0; i < pieces.size; i++) {
    const name = pieces.name[i]!;
    const from = Math.max(pieces.x[i]!, -2);
    const to = Math.min(pieces.x[i]! + pieces.width[i]!, width + 2);
    const wide = to - from;
    const look = inks.fills[places[name]!]!;
    const isDim = highlight !== -1 && highlight !== name;
    context.globalAlpha = isDim ? 0.14 : 0.35 + 0.65 * pieces.share[i]!;
    context.fillStyle = wide > 6 ? look.wide : look.color;
    // A thin gap separates neighbours, if there is room.
    context.fillRect(from, top, wide > 4 ? wide - 1 : wide, height);
    if (pieces.threw[i] === 1) {
      context.globalAlpha = 1;
      context.fillStyle = inks.danger;
      context.fillRect(from, top + height - 3, Math.max(wide, 2), 3);
    }
    if (hasLabels && wide >= minLabelWidth && pieces.span[i]! >= 0) {
      drawLabel(
        context,
        data.graph.ids[spans.fn[pieces.span[i]!]!]!,
        from + 4,
        top + height / 2,
        wide - 8,
        isDim ? inks.quiet : look.ink,
      );
    }
  }
  for (const live of data.live) {
    // A function that has ended is already a span, even if its node has not reported the next one yet.
    if (!isOn(data.tracks[track]!, live) || data.states[live.fn] !== State.running) continue;
    const name = data.code[live.fn]!;
    const from = Math.max(xOf(range, width, live.since), -2);
    const to = Math.min(Math.max(xOf(range, width, model.end), from + 2), width + 2);
    if (to < 0 || from > width) continue;
    const { color } = inks.fills[places[name]!]!;
    context.globalAlpha = highlight === -1 || highlight === name ? 0.4 : 0.1;
    context.fillStyle = color;
    context.fillRect(from, top, to - from, height);
    context.globalAlpha = 1;
    context.strokeStyle = color;
    context.setLineDash([3, 2]);
    context.strokeRect(from + 0.5, top + 0.5, Math.max(to - from - 1, 1), height - 1);
    context.setLineDash([]);
    if (hasLabels && to - from >= minLabelWidth)
      drawLabel(context, data.graph.ids[live.fn]!, from + 4, top + height / 2, to - from - 8, inks.ink);
  }
}

function drawLabel(
  context: CanvasRenderingContext2D,
  text: string,
  x: number,
  y: number,
  width: number,
  color: string,
): void {
  const fits = Math.floor(width / letter);
  if (fits < 3) return;
  context.globalAlpha = 1;
  context.font = font;
  context.textBaseline = 'middle';
  context.textAlign = 'left';
  context.fillStyle = color;
  context.fillText(plainText(text.length > fits ? `${text.slice(0, fits - 1)}…` : text), x, y + 0.5, width);
}

function drawMarks(
  context: CanvasRenderingContext2D,
  { data, highlight }: TimelineModel,
  range: TimeRange,
  { node, top }: NodeRow,
  width: number,
  inks: Inks,
): void {
  for (const kind of markKinds) {
    const shape = markShapes[kind];
    let painted = Number.NEGATIVE_INFINITY;
    for (const mark of data.marks) {
      if (mark.kind !== kind || mark.node !== node) continue;
      const x = xOf(range, width, mark.at);
      // Marks at the same position are painted once.
      if (x < -6 || x > width + 6 || Math.abs(x - painted) < 2) continue;
      painted = x;
      context.globalAlpha = highlight === -1 || (mark.fn >= 0 && data.code[mark.fn] === highlight) ? 1 : 0.25;
      context.translate(x - 5, top + headingHeight / 2 - 5);
      context.fillStyle = context.strokeStyle = inks[shape.tone];
      if (shape.isOutlined) {
        context.lineWidth = 1.5;
        context.stroke(glyphs.get(kind)!);
        context.lineWidth = 1;
      } else context.fill(glyphs.get(kind)!);
      context.translate(5 - x, 5 - top - headingHeight / 2);
    }
  }
  context.globalAlpha = 1;
}

/** Outlines the selected function and the keyboard cursor. */
function drawSelection(
  context: CanvasRenderingContext2D,
  model: TimelineModel,
  range: TimeRange,
  geometry: Geometry,
  inks: Inks,
  cursor: Cursor | undefined,
): void {
  const { data, selected } = model;
  const outline = (track: number, begun: number, ended: number, color: string): void => {
    const row = geometry.rows.nodes.flatMap((node) => node.tracks).find((one) => one.track === track);
    if (row === undefined) return;
    const x = xOf(range, geometry.width - geometry.gutter, begun);
    const wide = Math.max(xOf(range, geometry.width - geometry.gutter, ended) - x, 3);
    context.globalAlpha = 1;
    context.lineWidth = 2;
    context.strokeStyle = color;
    context.strokeRect(x - 1, row.top - 1, wide + 2, geometry.rows.trackHeight + 1);
    context.lineWidth = 1;
  };
  if (selected >= 0 && data.track[selected]! >= 0)
    outline(data.track[selected]!, data.begun[selected]!, data.ended[selected]!, inks.ink);
  if (cursor === undefined) return;
  const spans = data.tracks[cursor.track]?.spans;
  if (spans !== undefined && cursor.span >= 0 && cursor.span < spans.size)
    outline(cursor.track, spans.begun[cursor.span]!, spans.ended[cursor.span]!, inks.accent);
}

function drawGutter(
  context: CanvasRenderingContext2D,
  { data }: TimelineModel,
  scrollTop: number,
  { width, gutter, axis, height, rows }: Geometry,
  inks: Inks,
): void {
  context.fillStyle = inks.surface;
  context.fillRect(0, axis, gutter, height - axis);
  context.fillStyle = inks.line;
  context.fillRect(gutter - 1, 0, 1, height);
  context.textBaseline = 'middle';
  for (const { host, node, top, hostTop, tracks } of rows.nodes) {
    if (hostTop !== null) {
      context.font = font;
      context.textAlign = 'left';
      context.fillStyle = inks.stripe;
      context.fillRect(0, axis + hostTop - scrollTop, width, hostHeight - 3);
      context.fillStyle = inks.quiet;
      context.fillText(
        shortened(`host ${host}`, width - 16, letter),
        8,
        axis + hostTop - scrollTop + (hostHeight - 3) / 2 + 0.5,
      );
    }
    const y = axis + top - scrollTop;
    context.font = boldFont;
    context.textAlign = 'left';
    context.fillStyle = inks.ink;
    context.fillText(shortened(node, gutter - 14, 6.6), 8, y + headingHeight / 2);
    if (rows.trackHeight < 11) continue;
    context.font = font;
    context.fillStyle = inks.quiet;
    context.textAlign = 'right';
    for (const { track, top: trackTop } of tracks)
      context.fillText(
        String(data.tracks[track]!.thread),
        gutter - 7,
        axis + trackTop - scrollTop + rows.trackHeight / 2,
      );
  }
}

function drawAxis(
  context: CanvasRenderingContext2D,
  range: TimeRange,
  at: readonly number[],
  step: number,
  { width, gutter, axis }: Geometry,
  inks: Inks,
): void {
  context.fillStyle = inks.surface;
  context.fillRect(0, 0, width, axis);
  context.fillStyle = inks.line;
  context.fillRect(0, axis - 1, width, 1);
  context.font = font;
  context.textBaseline = 'middle';
  context.textAlign = 'left';
  context.fillStyle = inks.quiet;
  for (const time of at) {
    const x = gutter + xOf(range, width - gutter, time);
    const label = tickLabel(time, step);
    if (x >= gutter && x + 5 + label.length * letter < width) context.fillText(label, x + 4, axis / 2);
  }
}

function shortened(text: string, width: number, each: number): string {
  const fits = Math.max(Math.floor(width / each), 1);
  return plainText(text.length > fits ? `${text.slice(0, fits - 1)}…` : text);
}
