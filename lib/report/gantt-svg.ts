/** A Gantt chart with resource usage of each node, as one self-contained SVG. */
import { peakOf, type Steps } from './claims.ts';
import { type Bar, type Gantt, type GanttRow, namesOf } from './gantt.ts';
import { element, escapeXml, fitted, inkOn, palette, round, ticks, time, widthOf } from './svg.ts';

/** A resource of a node over time, drawn below the rows. Times in ms from the start. */
export interface Usage {
  readonly node: string;
  readonly resource: string;
  /** Amount that functions claimed. */
  readonly claimed?: Steps | undefined;
  /** Measured use; absent if it was not measured. */
  readonly used?: Steps | undefined;
  /** Capacity of the node. */
  readonly capacity?: number | undefined;
}

export interface GanttSvgOptions {
  readonly title: string;
  /** Shown below the title. */
  readonly subtitle?: string;
  readonly usage?: readonly Usage[];
  /** In pixels; default 960. */
  readonly width?: number;
}

const margin = 16;
const rowHeight = 22;
const rowGap = 4;
const usageHeight = 44;
const usageGap = 26;
const fontSize = 11;
// Pixels: bars closer than the eye can separate are drawn as one.
const minWidth = 0.6;
const namesInLegend = 24;

interface Scale {
  readonly left: number;
  readonly right: number;
  x(ms: number): number;
}

/** Draws rows of bars, coloured by name, with the critical path outlined. */
export function ganttSvg(gantt: Gantt, { title, subtitle, usage = [], width = 960 }: GanttSvgOptions): string {
  const labels = gantt.rows.map(labelOf);
  const left = Math.min(width / 3, margin + Math.max(40, ...labels.map((label) => widthOf(label, fontSize))) + 10);
  const right = width - margin;
  const length = Math.max(gantt.length, 1e-9);
  const scale: Scale = { left, right, x: (ms) => left + (ms / length) * (right - left) };
  const names = namesOf(gantt);
  const colours = new Map(names.map((name, i) => [name, palette[i % palette.length]!]));
  const parts: string[] = [];
  let y = margin + 14;
  parts.push(element('text', { x: margin, y, class: 'title' }, escapeXml(fitted(title, width - 2 * margin, 15))));
  if (subtitle !== undefined)
    parts.push(
      element(
        'text',
        { x: margin, y: (y += 18), class: 'dim' },
        escapeXml(fitted(subtitle, width - 2 * margin, fontSize)),
      ),
    );
  y += 14;
  const legend = drawLegend(
    names,
    colours,
    gantt.rows.some(({ bars }) => bars.some(({ isCritical }) => isCritical)),
    y,
    width,
  );
  parts.push(legend.markup);
  const top = (y = legend.bottom + 10);
  const rows = gantt.rows.map((row, i) => drawRow(row, labels[i]!, top + i * (rowHeight + rowGap), scale, colours));
  const bottom = top + gantt.rows.length * (rowHeight + rowGap);
  parts.push(drawAxis(scale, length, top, bottom), ...rows);
  y = bottom + 24;
  if (usage.length > 0) {
    parts.push(drawUsageLegend(y + 8, left));
    y += 40;
  }
  for (const each of usage) {
    parts.push(drawUsage(each, y, scale, length));
    y += usageHeight + usageGap;
  }
  const height = Math.ceil(y);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeXml(title)}">`,
    `<style>text{font:${fontSize}px system-ui,sans-serif;fill:#222}.title{font-size:15px;font-weight:600}.dim{fill:#666}.inside{font-size:10px;pointer-events:none}</style>`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    ...parts,
    '</svg>',
    '',
  ].join('\n');
}

function labelOf({ node, thread }: GanttRow): string {
  return thread === undefined ? node : `${node} · ${thread}`;
}

function drawLegend(
  names: readonly string[],
  colours: ReadonlyMap<string, string>,
  hasCritical: boolean,
  top: number,
  width: number,
): { markup: string; bottom: number } {
  const parts: string[] = [];
  let [x, y] = [margin, top];
  const put = (label: string, fill: string, stroke?: string): void => {
    const wide = 16 + widthOf(label, fontSize) + 14;
    if (x > margin && x + wide > width - margin) [x, y] = [margin, y + 18];
    parts.push(
      element('rect', {
        x,
        y,
        width: 11,
        height: 11,
        rx: 2,
        fill,
        ...(stroke !== undefined && { stroke, 'stroke-width': 2 }),
      }),
      element('text', { x: x + 16, y: y + 10 }, escapeXml(label)),
    );
    x += wide;
  };
  for (const name of names.slice(0, namesInLegend)) put(fitted(name, 220, fontSize), colours.get(name)!);
  if (names.length > namesInLegend) put(`and ${names.length - namesInLegend} more`, '#ffffff');
  if (hasCritical) put('critical path', '#ffffff', '#111111');
  return { markup: parts.join('\n'), bottom: parts.length === 0 ? top : y + 14 };
}

function drawRow(
  { bars }: GanttRow,
  label: string,
  top: number,
  scale: Scale,
  colours: ReadonlyMap<string, string>,
): string {
  const middle = top + rowHeight / 2 + fontSize / 2 - 2;
  return element(
    'g',
    {},
    element(
      'text',
      { x: scale.left - 8, y: middle, 'text-anchor': 'end' },
      escapeXml(fitted(label, scale.left - margin - 8, fontSize)),
    ),
    element('rect', { x: scale.left, y: top, width: scale.right - scale.left, height: rowHeight, fill: '#f3f4f6' }),
    ...merged(bars, scale).map((run) =>
      run.length === 1 ? drawBar(run[0]!, top, scale, colours) : drawMany(run, top, scale, colours),
    ),
  );
}

/** Groups bars that the eye could not tell apart; other groups have one bar. */
function merged(bars: readonly Bar[], { x }: Scale): (readonly Bar[])[] {
  const runs: Bar[][] = [];
  const isThin = (bar: Bar): boolean => x(bar.finish) - x(bar.start) < minWidth;
  for (const bar of bars) {
    const last = runs.at(-1);
    const end = last?.at(-1);
    if (
      last !== undefined &&
      isThin(bar) &&
      isThin(end!) &&
      x(bar.start) - x(end!.finish) < minWidth &&
      x(bar.finish) - x(last[0]!.start) < 4
    )
      last.push(bar);
    else runs.push([bar]);
  }
  return runs;
}

function drawBar(
  { id, name, start, finish, isCritical, hasFailed }: Bar,
  top: number,
  { x }: Scale,
  colours: ReadonlyMap<string, string>,
): string {
  const fill = colours.get(name)!;
  const width = Math.max(minWidth, x(finish) - x(start));
  const label = `${id}${name === id ? '' : ` (${name})`}: ${time(finish - start, finish - start)}, from ${time(start, finish)}${isCritical ? ', on the critical path' : ''}${hasFailed ? ', failed' : ''}`;
  const inside = fitted(id, width - 8, 10);
  const outline = hasFailed ? '#b00020' : isCritical ? '#111111' : undefined;
  const inset = outline !== undefined && width > 3 ? 1 : 0;
  return element(
    'g',
    {},
    element('title', {}, escapeXml(label)),
    element('rect', {
      x: x(start) + inset,
      y: top + 1 + inset,
      width: width - 2 * inset,
      height: rowHeight - 2 - 2 * inset,
      rx: width > 6 ? 2 : undefined,
      fill,
      stroke: inset === 0 ? (width > 3 ? '#ffffff' : undefined) : outline,
      'stroke-width': inset === 0 ? (width > 3 ? 0.5 : undefined) : 2,
      'stroke-dasharray': hasFailed && inset > 0 ? '3 2' : undefined,
    }),
    ...(outline !== undefined && inset === 0
      ? [element('rect', { x: x(start), y: top - 2, width, height: 3, fill: outline })]
      : []),
    ...(inside === ''
      ? []
      : [
          element(
            'text',
            { x: x(start) + 4, y: top + rowHeight / 2 + 3.5, class: 'inside', style: `fill:${inkOn(fill)}` },
            escapeXml(inside),
          ),
        ]),
  );
}

/** A group of bars as one rectangle, in the colour of the name that takes most of it. */
function drawMany(bars: readonly Bar[], top: number, { x }: Scale, colours: ReadonlyMap<string, string>): string {
  const took = new Map<string, number>();
  for (const { name, start, finish } of bars) took.set(name, (took.get(name) ?? 0) + finish - start);
  const [most] = [...took].reduce((a, b) => (b[1] > a[1] ? b : a));
  const from = x(bars[0]!.start);
  const width = Math.max(minWidth, x(bars.at(-1)!.finish) - from);
  const critical = bars.some(({ isCritical }) => isCritical);
  return element(
    'g',
    {},
    element('title', {}, escapeXml(`${bars.length} functions, mostly ${most}`)),
    element('rect', { x: from, y: top + 1, width, height: rowHeight - 2, fill: colours.get(most)! }),
    ...(critical ? [element('rect', { x: from, y: top - 2, width, height: 3, fill: '#111111' })] : []),
  );
}

function drawAxis({ left, right, x }: Scale, length: number, top: number, bottom: number): string {
  const marks = ticks(length, Math.max(2, Math.floor((right - left) / 110)));
  return marks
    .map((ms) =>
      [
        element('line', { x1: x(ms), x2: x(ms), y1: top - 2, y2: bottom, stroke: '#d8dbe0' }),
        element(
          'text',
          {
            x: x(ms),
            y: bottom + 14,
            'text-anchor': ms === 0 ? 'start' : x(ms) > right - 20 ? 'end' : 'middle',
            class: 'dim',
          },
          escapeXml(time(ms, length)),
        ),
      ].join(''),
    )
    .join('\n');
}

function drawUsageLegend(top: number, left: number): string {
  const line = { x1: left + 74, x2: left + 90, y1: top + 6, y2: top + 6 };
  return [
    element('rect', { x: left, y: top, width: 11, height: 11, rx: 2, fill: '#a9cce3' }),
    element('text', { x: left + 16, y: top + 10 }, 'claimed'),
    element('line', { ...line, stroke: '#00527f', 'stroke-width': 1.5 }),
    element('text', { x: left + 95, y: top + 10 }, 'used'),
    element('line', { ...line, x1: left + 134, x2: left + 150, stroke: '#d55e00', 'stroke-dasharray': '5 4' }),
    element('text', { x: left + 155, y: top + 10 }, 'capacity'),
  ].join('');
}

function drawUsage(
  { node, resource, claimed, used, capacity }: Usage,
  top: number,
  { left, right, x }: Scale,
  length: number,
): string {
  const [claimedPeak, usedPeak] = [claimed, used].map((steps) => steps && peakOf(steps));
  const most = Math.max(capacity ?? 0, claimedPeak ?? 0, usedPeak ?? 0, 1e-9);
  const bottom = top + usageHeight;
  const y = (amount: number): number => round(bottom - (amount / most) * usageHeight);
  const within = (ms: number): number => round(Math.max(left, Math.min(right, x(ms))));
  const outline = ({ at, level }: Steps): string =>
    at.map((ms, k) => (ms > length ? '' : `H${within(ms)}V${y(level[k]!)}`)).join('');
  const parts = [
    ...(claimedPeak === undefined ? [] : [`claimed at most ${amountText(claimedPeak)}`]),
    ...(usedPeak === undefined ? [] : [`used at most ${amountText(usedPeak)}`]),
  ];
  const label = `${resource} of ${node}: ${parts.join(', ')}${capacity === undefined ? '' : `, of ${amountText(capacity)}`}`;
  return element(
    'g',
    {},
    element('title', {}, escapeXml(`${label}, over ${time(length, length)}`)),
    element('text', { x: left, y: top - 6 }, escapeXml(fitted(label, right - left, fontSize))),
    element('rect', { x: left, y: top, width: right - left, height: usageHeight, fill: '#f3f4f6' }),
    ...(claimed === undefined
      ? []
      : [element('path', { d: `M${left} ${bottom}${outline(claimed)}H${right}V${bottom}Z`, fill: '#a9cce3' })]),
    ...(used === undefined || used.at.length === 0
      ? []
      : [
          element('path', {
            d: `M${within(used.at[0]!)} ${y(used.level[0]!)}${outline(used)}H${right}`,
            fill: 'none',
            stroke: '#00527f',
            'stroke-width': 1.5,
          }),
        ]),
    ...(capacity === undefined
      ? []
      : [
          element('line', {
            x1: left,
            x2: right,
            y1: y(capacity),
            y2: y(capacity),
            stroke: '#d55e00',
            'stroke-dasharray': '5 4',
          }),
        ]),
  );
}

function amountText(amount: number): string {
  return String(Number(amount.toPrecision(4)));
}
