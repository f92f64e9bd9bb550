/** Rows of bars that do not overlap, for planned schedules, real runs and trace files. */

export interface Bar {
  /** Id of the function. */
  readonly id: string;
  /** Name of its code, which selects the colour. */
  readonly name: string;
  /** ms from the start. */
  readonly start: number;
  readonly finish: number;
  /** Whether it is on the critical path. */
  readonly isCritical: boolean;
  readonly hasFailed: boolean;
}

/** A bar with its place. */
export interface PlacedBar extends Bar {
  readonly node: string;
  /** Undefined if the schedule has no threads; the fewest possible rows are then made. */
  readonly thread?: number | undefined;
}

export interface GanttRow {
  readonly node: string;
  /** Undefined if the threads of the node are unknown. */
  readonly thread: number | undefined;
  /** Sorted by start, without overlaps. */
  readonly bars: readonly Bar[];
}

export interface Gantt {
  readonly rows: readonly GanttRow[];
  /** ms from the start to the end of the last bar. */
  readonly length: number;
}

/**
 * Puts bars into rows: one per thread, or more where attempts on a thread overlap, such as abandoned ones.
 *
 * @param nodes names in the order of their rows; other nodes follow by name
 */
export function toGantt(bars: Iterable<PlacedBar>, nodes: readonly string[] = []): Gantt {
  const groups = Map.groupBy(bars, ({ node }) => node);
  const others = [...groups.keys()].filter((node) => !nodes.includes(node)).sort((a, b) => a.localeCompare(b));
  const rows: GanttRow[] = [];
  let length = 0;
  for (const node of [...nodes, ...others]) {
    const threads = [...Map.groupBy(groups.get(node) ?? [], ({ thread }) => thread)].sort(([a = 0], [b = 0]) => a - b);
    for (const [thread, each] of threads) for (const row of toRows(each)) rows.push({ node, thread, bars: row });
    for (const { finish } of groups.get(node) ?? []) if (finish > length) length = finish;
  }
  return { rows, length };
}

/** Uses as few rows as possible: each bar goes to the row that became free last. */
function toRows(bars: readonly Bar[]): Bar[][] {
  const sorted = bars.toSorted((a, b) => a.start - b.start || a.finish - b.finish);
  const rows: Bar[][] = [];
  const free: number[] = [];
  for (const bar of sorted) {
    let best = -1;
    for (let row = 0; row < rows.length; row++) {
      // Tolerance for rounding errors in sums of durations.
      if (free[row]! <= bar.start + 1e-9 * Math.max(1, bar.start) && (best < 0 || free[row]! > free[best]!)) best = row;
    }
    if (best < 0) best = rows.push([]) - 1;
    rows[best]!.push(bar);
    free[best] = Math.max(bar.start, bar.finish);
  }
  return rows;
}

/** Names of the functions, sorted by total time, longest first. */
export function namesOf({ rows }: Gantt): string[] {
  const total = new Map<string, number>();
  for (const { bars } of rows)
    for (const { name, start, finish } of bars) total.set(name, (total.get(name) ?? 0) + finish - start);
  return [...total].sort(([a, x], [b, y]) => y - x || a.localeCompare(b)).map(([name]) => name);
}
