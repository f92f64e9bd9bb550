/** Where functions had better be, so that little goes from host to host. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compile } from '../../../lib/dag/compile/compile.ts';
import { Dag } from '../../../lib/dag/dag.ts';
import type { CompiledDag } from '../../../lib/dag/compile/compiled-dag.ts';
import { sortTopologically } from '../../../lib/dag/compile/links.ts';
import type { FunctionSpec } from '../../../lib/dag/types.ts';
import { homesOf } from '../../../lib/scheduling/planner/home-hosts.ts';
import { partition } from '../../../lib/scheduling/planner/partition.ts';
import { planRun } from '../../../lib/scheduling/planner/planned.ts';

const code = { module: 'file:///tasks.js', export: 'work' };
const mib = 2 ** 20;
const hosts = [0, 1].map((site) => ({ name: `n${site}`, capabilities: {}, threads: 2, speed: 1, site }));

function planOf(
  edges: readonly (readonly number[])[],
  more: (i: number) => Partial<FunctionSpec> = () => ({}),
): CompiledDag {
  const dag = new Dag('d');
  for (const [i, deps] of edges.entries())
    dag.add({
      id: `f${i}`,
      code,
      args: deps.map((dep) => `f${dep}`),
      duration: 50,
      outputBytes: 64 * mib,
      ...more(i),
    } as FunctionSpec);
  return compile(dag);
}

function tree(leaves: number): number[][] {
  const edges: number[][] = Array.from({ length: leaves }, () => []);
  for (let level = [...edges.keys()]; level.length > 1;) {
    const next: number[] = [];
    for (let k = 0; k < level.length; k += 2) next.push(edges.push([level[k]!, level[k + 1]!]) - 1);
    level = next;
  }
  return edges;
}

const chains = (count: number, length: number): number[][] =>
  Array.from({ length: count * length }, (_, i) => (i < count ? [] : [i - count]));

/** How many results go to another site, once each. */
function moves({ size, depOffset, deps }: CompiledDag, site: ArrayLike<number | string>): number {
  const moved = new Set<string>();
  for (let i = 0; i < size; i++)
    for (let k = depOffset[i]!; k < depOffset[i + 1]!; k++)
      if (site[deps[k]!] !== site[i]) moved.add(`${deps[k]} ${site[i]}`);
  return moved.size;
}

const homes = (plan: CompiledDag, nodes: Parameters<typeof homesOf>[1]['nodes'] = hosts): Int32Array | undefined =>
  homesOf(plan, {
    nodes,
    durationOf: (i) => plan.entries[i]!.traits.duration ?? 1,
    bytesOf: (i) => plan.entries[i]!.traits.outputBytes ?? 0,
  });

describe('homes', () => {
  it.each([
    ['chains: none', chains(4, 5), 0],
    ['a tree: the last result of one half', tree(16), 1],
    ['one result that all read: it alone', [[], ...Array.from({ length: 8 }, () => [0])], 1],
    ['pairs that are read together: none', [...Array.from({ length: 8 }, () => []), [0, 1], [2, 3], [4, 5], [6, 7]], 0],
    [
      'pairs that are not neighbours: none',
      [...Array.from({ length: 8 }, () => []), [0, 4], [1, 5], [2, 6], [3, 7]],
      0,
    ],
  ])('move as little as can be, with both hosts at work, of %s', (_, edges, best) => {
    const plan = planOf(edges);
    const site = homes(plan)!;
    expect(moves(plan, site)).toBe(best);
    const sources = [...site].filter((_each, i) => edges[i]!.length === 0);
    if (sources.length > 1) expect(new Set(sources)).toEqual(new Set([0, 1]));
  });

  it('do not matter when results are small, nodes are on one host, or there are too many of them', () => {
    expect(homes(planOf(tree(8), () => ({ outputBytes: 1000 })))).toBeUndefined();
    expect(
      homes(
        planOf(tree(8)),
        hosts.map((node) => ({ ...node, site: 0 })),
      ),
    ).toBeUndefined();
    expect(
      homes(planOf(tree(8), (i) => ({ outputBytes: i === 0 ? 64 * mib : 0 })))!.filter((site) => site < 0),
    ).toHaveLength(13);
  });

  it('respect pins and keep groups together', () => {
    const plan = planOf(tree(8), (i) => (i === 0 ? { node: 'n1' } : i === 7 ? { node: { collocatedWith: 'f0' } } : {}));
    const site = homes(plan)!;
    expect([site[0], site[7]]).toEqual([1, 1]);
  });

  it('give each host about its share of the parallel work', () => {
    const dags = fc.record({
      depth: fc.integer({ min: 1, max: 6 }),
      width: fc.integer({ min: 2, max: 12 }),
      picks: fc.array(fc.nat(), { minLength: 40, maxLength: 40 }),
      speeds: fc.constantFrom([1, 1], [1, 3], [2, 1, 1]),
    });
    fc.assert(
      fc.property(dags, ({ depth, width, picks, speeds }) => {
        const edges = Array.from({ length: depth * width }, (_, i) =>
          i < width
            ? []
            : [...new Set([0, 1].map((k) => (Math.floor(i / width) - 1) * width + (picks[(2 * i + k) % 40]! % width)))],
        );
        const plan = planOf(edges);
        const site = partition({
          links: plan,
          order: sortTopologically(plan),
          work: () => 1,
          bytes: () => mib,
          capacity: speeds,
          fixed: () => -1,
        });
        const all = speeds.reduce((sum, each) => sum + each, 0);
        // Of one depth, not of one layer: functions that depend on nothing of the layer before do not exist here.
        for (let layer = 0; layer < depth; layer++) {
          for (const [s, speed] of speeds.entries()) {
            const here = [...site.slice(layer * width, (layer + 1) * width)].filter((each) => each === s).length;
            expect(here).toBeLessThanOrEqual(((width * speed) / all) * 1.1 + 1 + 1e-9);
          }
        }
      }),
      { numRuns: 100 },
    );
  });

  it('reduce transfers between hosts, and delay the end by no more than that saves', () => {
    for (const [edges, best] of [
      [tree(16), 1],
      [chains(4, 4), 0],
    ] as const) {
      const plan = planOf(edges);
      const { assigned, schedule } = planRun(plan, {
        aim: 'time-optimized',
        nodes: hosts,
        latency: 0.5,
        bandwidth: 1e9,
      });
      expect(moves(plan, assigned)).toBe(best);
      const quick = planRun(plan, {
        aim: 'time-optimized',
        nodes: hosts.map(({ site: _, ...node }) => node),
        latency: 0.5,
        bandwidth: 1e9,
      });
      // Both hosts have work with a move.
      const saved = ((moves(plan, quick.assigned) - best) * (0.5 + (64 * mib) / 1e6)) / 2;
      expect(schedule.makespan).toBeLessThanOrEqual(quick.schedule.makespan + saved + 1e-6);
    }
  });
});
