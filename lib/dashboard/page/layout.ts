/** The positions of a graph's boxes and the paths between them: the layered layout of dagre. */
import { Graph, layout } from '@dagrejs/dagre';
import type { Box, Picture } from './grouping.ts';

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** Pixels; `x` and `y` are its centre. */
export interface PlacedBox extends Point {
  readonly width: number;
  readonly height: number;
}

export interface PlacedLink {
  readonly points: readonly Point[];
  /** The position of its count. */
  readonly label: Point;
}

export interface Layout {
  readonly boxes: readonly PlacedBox[];
  readonly links: readonly PlacedLink[];
  readonly width: number;
  readonly height: number;
}

/** Pixels. */
const letter = 7.2;
const minBoxWidth = 72;
const minGroupWidth = 216;
const minOwnerWidth = 132;
const maxBoxWidth = 220;
const betweenLayers = 56;

/** Room for the button that opens a box. */
export const buttonWidth = 22;

/** Whether a box has counts, and not just a state. */
export function hasCounts({ functions, owner }: Box, isGrouped: boolean): boolean {
  return isGrouped || (owner !== undefined && (functions.length > 1 || !owner.isOpen));
}

function widthOf({ label, owner }: Box, isGrouped: boolean): number {
  const least = isGrouped ? minGroupWidth : owner === undefined ? minBoxWidth : minOwnerWidth;
  const wanted = label.length * letter + 34 + (owner === undefined ? 0 : buttonWidth);
  return Math.min(Math.max(wanted, least), maxBoxWidth);
}

/** How many letters of a label fit into a box. */
export function lettersIn(width: number): number {
  return Math.floor((width - 30) / letter);
}

/** From left to right, so that labels have room. The same picture always gives the same layout. */
export function layoutPicture({ boxes, links, isGrouped }: Picture): Layout {
  const graph = new Graph<{ width: number; height: number }>();
  graph.setGraph({ rankdir: 'LR', nodesep: 14, ranksep: betweenLayers, edgesep: 8, marginx: 16, marginy: 16 });
  graph.setDefaultEdgeLabel(() => ({}));
  // All as wide as the widest, so that layers form columns.
  const width = boxes.reduce((most, box) => Math.max(most, widthOf(box, isGrouped)), 0);
  for (const [i, box] of boxes.entries())
    graph.setNode(String(i), { width, height: hasCounts(box, isGrouped) ? 50 : 28 });
  for (const { from, to, count } of links)
    graph.setEdge(
      String(from),
      String(to),
      count > 1 ? { width: String(count).length * 7 + 8, height: 14, labelpos: 'c' } : {},
    );
  layout(graph);
  const size = graph.graph() as { readonly width?: number; readonly height?: number };
  const placed = boxes.map((_, i) => graph.node(String(i)) as unknown as PlacedBox);
  return {
    width: Math.max(size.width ?? 0, 1),
    height: Math.max(size.height ?? 0, 1),
    boxes: placed,
    links: links.map(({ from, to }) => {
      const { points, x, y } = graph.edge(String(from), String(to)) as {
        readonly points: readonly Point[];
        readonly x?: number;
        readonly y?: number;
      };
      return {
        points: fromSideToSide(points, placed[from]!, placed[to]!, x !== undefined),
        label: x === undefined || y === undefined ? points[Math.floor(points.length / 2)]! : { x, y },
      };
    }),
  };
}

/**
 * Connects the right side of one box to the left side of the other. Links that go backwards, as between groups, stay as
 * they are.
 */
function fromSideToSide(points: readonly Point[], from: PlacedBox, to: PlacedBox, hasLabel: boolean): readonly Point[] {
  const start = { x: from.x + from.width / 2, y: from.y };
  const end = { x: to.x - to.width / 2, y: to.y };
  if (end.x <= start.x) return points;
  // Between adjacent layers there is nothing to avoid.
  if (!hasLabel && end.x - start.x < 1.5 * betweenLayers) return [start, end];
  return [start, ...points.slice(1, -1).filter(({ x }) => x > start.x + 8 && x < end.x - 8), end];
}

/** A smooth SVG path through points, horizontal at each of them. */
export function pathThrough(points: readonly Point[]): string {
  const [first, ...rest] = points;
  if (first === undefined) return '';
  let path = `M${round(first.x)} ${round(first.y)}`;
  let before = first;
  for (const point of rest) {
    const middle = round((before.x + point.x) / 2);
    path += ` C${middle} ${round(before.y)} ${middle} ${round(point.y)} ${round(point.x)} ${round(point.y)}`;
    before = point;
  }
  return path;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
