/** The rows of the timeline: threads by host and node, as high as the space allows. */

/** A thread, as the layout needs to know it. */
export interface LaneName {
  readonly host: string;
  readonly node: string;
  readonly thread: number;
}

export interface LaneRow {
  /** Into the lanes. */
  readonly lane: number;
  readonly top: number;
}

export interface NodeRow {
  readonly host: string;
  readonly node: string;
  /** Of its heading, in which its marks are. */
  readonly top: number;
  /** Of the heading of its host; null: there is but one host, or a node of it stands above. */
  readonly hostTop: number | null;
  readonly lanes: readonly LaneRow[];
}

export interface Rows {
  readonly nodes: readonly NodeRow[];
  readonly laneHeight: number;
  readonly height: number;
}

/** Pixels. */
export const headingHeight = 18;
export const hostHeight = 20;
const gapBelowNode = 6;
const lowest = 7;
const highest = 36;

/** @param height pixels that there are; more are used where threads would become too low */
export function layoutRows(lanes: readonly LaneName[], height: number): Rows {
  const order = lanes.map((_, i) => i).sort((a, b) => compare(lanes[a]!, lanes[b]!));
  const groups = Map.groupBy(order, (lane) => JSON.stringify([lanes[lane]!.host, lanes[lane]!.node]));
  const hosts = new Set(lanes.map(({ host }) => host)).size;
  const room = height - groups.size * (headingHeight + gapBelowNode) - (hosts > 1 ? hosts * hostHeight : 0);
  const laneHeight = Math.floor(Math.min(Math.max(room / Math.max(lanes.length, 1), lowest), highest));
  const nodes: NodeRow[] = [];
  let top = 0;
  for (const members of groups.values()) {
    const { host, node } = lanes[members[0]!]!;
    const hostTop = hosts > 1 && nodes.at(-1)?.host !== host ? top : null;
    if (hostTop !== null) top += hostHeight;
    nodes.push({
      host,
      node,
      top,
      hostTop,
      lanes: members.map((lane, k) => ({ lane, top: top + headingHeight + k * laneHeight })),
    });
    top += headingHeight + members.length * laneHeight + gapBelowNode;
  }
  return { nodes, laneHeight, height: top };
}

/** The lane at a height; undefined: none. */
export function laneAt(rows: Rows, y: number): number | undefined {
  for (const { top, lanes } of rows.nodes) {
    const k = Math.floor((y - top - headingHeight) / rows.laneHeight);
    if (k >= 0 && k < lanes.length) return lanes[k]!.lane;
  }
  return undefined;
}

function compare(a: LaneName, b: LaneName): number {
  return byText(a.host, b.host) || byText(a.node, b.node) || a.thread - b.thread;
}

const collator = new Intl.Collator('en', { numeric: true });

function byText(a: string, b: string): number {
  return collator.compare(a, b);
}
