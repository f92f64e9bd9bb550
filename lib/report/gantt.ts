/** What ran, or is to run, where and when, as rows of bars that do not overlap: planned schedules, real runs and trace files alike. */

export interface Bar {
  /** The function's id. */
  readonly id: string;
  /** What it is coloured by: the name of its code. */
  readonly name: string;
  /** ms from the start. */
  readonly start: number;
  readonly finish: number;
  /** It is on the critical path. */
  readonly isCritical: boolean;
  readonly hasFailed: boolean;
}

/** A bar and where it is. */
export interface PlacedBar extends Bar {
  readonly node: string;
  /** Undefined when a schedule does not say: then as few rows are made as it takes. */
  readonly thread?: number | undefined;
}

export interface GanttRow {
  readonly node: string;
  /** Undefined when it is one of several of a node whose threads are not known. */
  readonly thread: number | undefined;
  /** By start; none begins before the one before it has finished. */
  readonly bars: readonly Bar[];
}

export interface Gantt {
  readonly rows: readonly GanttRow[];
  /** ms from the start to the end of the last. */
  readonly length: number;
}

/**
 * Puts bars into rows: one for each thread, or more where attempts on a thread overlap, as those do that were given up.
 *
 * @param nodes names in the order of their rows; others come after them, by name
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

/** As few rows as it takes: each bar goes into the row that has been free for the shortest time. */
function toRows(bars: readonly Bar[]): Bar[][] {
  const sorted = bars.toSorted((a, b) => a.start - b.start || a.finish - b.finish);
  const rows: Bar[][] = [];
  const free: number[] = [];
  for (const bar of sorted) {
    let best = -1;
    for (let row = 0; row < rows.length; row++) {
      // Sums of durations are off in the last digits.
      if (free[row]! <= bar.start + 1e-9 * Math.max(1, bar.start) && (best < 0 || free[row]! > free[best]!)) best = row;
    }
    if (best < 0) best = rows.push([]) - 1;
    rows[best]!.push(bar);
    free[best] = Math.max(bar.start, bar.finish);
  }
  return rows;
}

/** The names of the functions, those that take most of the time first. */
export function namesOf({ rows }: Gantt): string[] {
  const total = new Map<string, number>();
  for (const { bars } of rows) for (const { name, start, finish } of bars) total.set(name, (total.get(name) ?? 0) + finish - start);
  return [...total].sort(([a, x], [b, y]) => y - x || a.localeCompare(b)).map(([name]) => name);
}
