/** The rows of the timeline: threads by host and node, as tall as the space allows. */

/** What the layout needs to know of a thread. */
export interface TrackName {
  readonly host: string;
  readonly node: string;
  readonly thread: number;
}

export interface TrackRow {
  /** Index into the tracks. */
  readonly track: number;
  readonly top: number;
}

export interface NodeRow {
  readonly host: string;
  readonly node: string;
  /** The top of its heading, which contains its marks. */
  readonly top: number;
  /** The top of its host's heading; null: there is only one host, or an earlier node of the host has the heading. */
  readonly hostTop: number | null;
  readonly tracks: readonly TrackRow[];
}

export interface Rows {
  readonly nodes: readonly NodeRow[];
  readonly trackHeight: number;
  readonly height: number;
}

/** Pixels. */
export const headingHeight = 18;
export const hostHeight = 20;
const gapBelowNode = 6;
const minTrackHeight = 7;
const maxTrackHeight = 36;

/** @param height available pixels; more are used when threads would become too small */
export function layoutRows(tracks: readonly TrackName[], height: number): Rows {
  const order = tracks.map((_, i) => i).sort((a, b) => compare(tracks[a]!, tracks[b]!));
  const groups = Map.groupBy(order, (track) => JSON.stringify([tracks[track]!.host, tracks[track]!.node]));
  const hosts = new Set(tracks.map(({ host }) => host)).size;
  const room = height - groups.size * (headingHeight + gapBelowNode) - (hosts > 1 ? hosts * hostHeight : 0);
  const trackHeight = Math.floor(Math.min(Math.max(room / Math.max(tracks.length, 1), minTrackHeight), maxTrackHeight));
  const nodes: NodeRow[] = [];
  let top = 0;
  for (const group of groups.values()) {
    const { host, node } = tracks[group[0]!]!;
    const hostTop = hosts > 1 && nodes.at(-1)?.host !== host ? top : null;
    if (hostTop !== null) top += hostHeight;
    nodes.push({
      host,
      node,
      top,
      hostTop,
      tracks: group.map((track, k) => ({ track, top: top + headingHeight + k * trackHeight })),
    });
    top += headingHeight + group.length * trackHeight + gapBelowNode;
  }
  return { nodes, trackHeight, height: top };
}

/** The track at a height; undefined: none. */
export function trackAt(rows: Rows, y: number): number | undefined {
  for (const { top, tracks } of rows.nodes) {
    const k = Math.floor((y - top - headingHeight) / rows.trackHeight);
    if (k >= 0 && k < tracks.length) return tracks[k]!.track;
  }
  return undefined;
}

function compare(a: TrackName, b: TrackName): number {
  return byText(a.host, b.host) || byText(a.node, b.node) || a.thread - b.thread;
}

const collator = new Intl.Collator('en', { numeric: true });

function byText(a: string, b: string): number {
  return collator.compare(a, b);
}
