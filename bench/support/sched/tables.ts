/** Runs strategies on instances and reports how far they are above the best known makespan. */
import { type Instance, type Placed } from './instance.ts';
import { faultsOf } from './validate.ts';

export interface Strategy {
  readonly name: string;
  /** The sets it runs on; default: all. */
  readonly sets?: (set: string) => boolean;
  readonly run: (instance: Instance) => {
    readonly placed: readonly Placed[];
    readonly ms?: number;
    readonly lowerBound?: number;
  };
}

/** The result of one strategy on one instance. */
export interface Outcome {
  readonly strategy: string;
  readonly instance: string;
  readonly set: string;
  /** % above the instance's best. */
  readonly above: number;
  readonly ms: number | undefined;
}

export interface Figures {
  readonly outcomes: readonly Outcome[];
  /** Schedules that are not feasible, or bounds that do not hold. */
  readonly faults: readonly string[];
}

export function measure(instances: readonly Instance[], strategies: readonly Strategy[]): Figures {
  const outcomes: Outcome[] = [];
  const faults: string[] = [];
  for (const instance of instances) {
    for (const { name, sets, run } of strategies) {
      if (sets?.(instance.set) === false) continue;
      const { placed, ms, lowerBound = 0 } = run(instance);
      const wrong = faultsOf(instance, placed);
      if (wrong.length > 0) faults.push(`${instance.name}, ${name}: ${wrong.length} faults, first ${wrong[0]}`);
      const makespan = Math.max(0, ...placed.map(({ finish }) => finish));
      if (makespan < (instance.proven ?? 0) - 1e-6)
        faults.push(`${instance.name}, ${name}: ${makespan} is below the proven bound ${instance.proven}`);
      if (lowerBound > Math.min(makespan, instance.proven === undefined ? Infinity : instance.best) * (1 + 1e-9))
        faults.push(`${instance.name}, ${name}: the lower bound ${lowerBound} is none`);
      outcomes.push({
        strategy: name,
        instance: instance.name,
        set: instance.set,
        above: (makespan / instance.best - 1) * 100,
        ms,
      });
    }
  }
  return { outcomes, faults };
}

/** Rows of the folder's README, for comparison: by name, then by set. */
export type Reference = Readonly<Record<string, Readonly<Record<string, number>>>>;

/** Mean % above best: strategies by sets, with planning times where measured, then reference figures. */
export function toTable(title: string, { outcomes }: Figures, reference: Reference): string {
  const sets = [...new Set(outcomes.map(({ set }) => set))];
  const cell = (strategy: string, set: string): string => {
    const own = outcomes.filter((each) => each.strategy === strategy && each.set === set);
    if (own.length === 0) return '';
    const ms = own.flatMap((each) => (each.ms === undefined ? [] : [each.ms]));
    return `${mean(own.map(({ above }) => above)).toFixed(2)}${ms.length === 0 ? '' : ` (${mean(ms).toFixed(1)} ms, at most ${Math.max(...ms).toFixed(0)})`}`;
  };
  const rows = [...new Set(outcomes.map(({ strategy }) => strategy))].map((strategy) => [
    strategy,
    ...sets.map((set) => cell(strategy, set)),
  ]);
  const others = Object.entries(reference).map(([name, values]) => [
    `*${name}*`,
    ...sets.map((set) => (values[set] === undefined ? '' : String(values[set]))),
  ]);
  const heading = [
    title,
    ...sets.map(
      (set) => `${set} (${new Set(outcomes.filter((each) => each.set === set).map(({ instance }) => instance)).size})`,
    ),
  ];
  return [heading, heading.map(() => '---'), ...rows, ...others].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** On how many instances one strategy is better than another, equal, and worse. */
export function compare({ outcomes }: Figures, ours: string, theirs: string): string {
  const sets = [...new Set(outcomes.map(({ set }) => set))];
  return sets
    .map((set) => {
      const count = [0, 0, 0];
      for (const { instance, above } of outcomes.filter((each) => each.set === set && each.strategy === ours)) {
        const other = outcomes.find(
          (each) => each.set === set && each.strategy === theirs && each.instance === instance,
        )!.above;
        count[above < other - 1e-7 ? 0 : above <= other + 1e-7 ? 1 : 2]!++;
      }
      return `${ours} against ${theirs}, ${set}: better ${count[0]}, equal ${count[1]}, worse ${count[2]}`;
    })
    .join('\n');
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, each) => sum + each, 0) / values.length;
}

/** % above best against budget, one line per set, as SVG. */
export async function plot(
  points: readonly { readonly group: string; readonly set: string; readonly budget: number; readonly above: number }[],
): Promise<string> {
  const [vega, vegaLite] = await Promise.all([import('vega'), import('vega-lite')]);
  const { spec } = vegaLite.compile({
    background: 'white',
    data: { values: points.map((point) => ({ ...point })) },
    facet: { field: 'group', type: 'nominal', title: null },
    columns: 3,
    resolve: { scale: { y: 'independent', color: 'independent' } },
    spec: {
      width: 240,
      height: 180,
      mark: { type: 'line', point: true },
      encoding: {
        x: { field: 'budget', type: 'quantitative', scale: { type: 'log' }, title: 'budget, candidate schedules' },
        y: { field: 'above', aggregate: 'mean', type: 'quantitative', title: '% above best known' },
        color: { field: 'set', type: 'nominal', title: null },
      },
    },
  });
  return new vega.View(vega.parse(spec), { renderer: 'none' }).toSVG();
}
