/** The cost of the dashboard for a run: with the dashboard open in a page, without readers, and without a dashboard. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { History } from '../lib/dashboard/history.ts';
import { Handoff } from '../lib/index.ts';
import type { RunGraph } from '../lib/events/run-graph.ts';
import { layered, toDag, type Vertex } from './support/graphs.ts';
import { stepsPerMs } from './support/kernel.ts';
import { compete } from './support/measure.ts';
import type { Row } from './support/report.ts';

const threads = 2;
const nodes = [{ name: 'n', capabilities: { cpu: threads }, threads }];

/** @param full adds functions of a ms, which take minutes */
export async function dashboard({ rounds, full }: { readonly rounds: number; readonly full: boolean }): Promise<Row[]> {
  const without = await Handoff.start({ nodes, retainedRuns: 1 });
  const unseen = await Handoff.start({ nodes, retainedRuns: 1, dashboard: { port: 0 } });
  const open = await Handoff.start({ nodes, retainedRuns: 1, dashboard: { port: 0 } });
  const page = fork(new URL('./support/dashboard-client.ts', import.meta.url), [open.dashboard!.url]);
  await once(page, 'message');
  const rows: Row[] = [];
  for (const [name, count, ms] of [
    ['50 µs', 100_000, 0.05],
    ['1 ms', full ? 100_000 : 10_000, 1],
  ] as const) {
    const vertices = busyLayers(count, Math.round(stepsPerMs() * ms));
    const on = (handoff: Handoff) => () => {
      const dag = toDag(vertices);
      return () => handoff.execute(dag, { collect: [] });
    };
    const taken = await compete(
      { without: on(without), unseen: on(unseen), open: on(open) },
      { rounds: ms < 1 ? rounds : Math.min(rounds, 5), warmUps: 1 },
    );
    for (const [which, what, atMost] of [
      ['open', 'a page open', 1.05],
      ['unseen', 'nobody looking', 1.01],
    ] as const) {
      const functions = `${count.toLocaleString('en')} functions of ${name}`;
      rows.push({
        group: 'dashboard',
        name: `${functions}, dashboard with ${what}: time`,
        unit: 'x',
        ours: taken[which].ms / taken.without.ms,
        beside: 1,
        what: 'no dashboard',
        goal: { atMost },
      });
      rows.push({
        group: 'dashboard',
        name: `${functions}, dashboard with ${what}: CPU of the process`,
        unit: 'x',
        ours: taken[which].allCpu / taken.without.allCpu,
        beside: 1,
        what: 'no dashboard',
      });
      rows.push({
        group: 'dashboard',
        name: `${functions}, dashboard with ${what}: main-thread CPU more`,
        unit: 'µs/function',
        ours: (taken[which].cpu - taken.without.cpu) / count,
      });
    }
  }
  page.send('rows');
  const [read] = (await once(page, 'message')) as [number];
  rows.push({ group: 'dashboard', name: 'attempts that the page was told of', unit: '', ours: read });
  page.kill('SIGKILL');
  await Promise.all([without.stop(), unseen.stop(), open.stop()]);
  return [...rows, memory()];
}

/** Layers of two thousand, each function after two of the layer before. */
function busyLayers(count: number, steps: number): Vertex[] {
  return layered(count / 2000, 2000).map((vertex) => ({ ...vertex, task: 'computeAfter', extra: [steps] }));
}

/** Memory that ten million attempts occupy in the dashboard. */
function memory(): Row {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const used = (): number => {
    collect();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return (heapUsed + arrayBuffers) / 2 ** 20;
  };
  const before = used();
  let last = 0;
  const history = new History(() => `run-${last++}`);
  const functions = 100_000;
  for (let run = 0; run < 100; run++) {
    const dagId = `d${run}`;
    const ids = Array.from({ length: functions }, (_, i) => `function ${i} of ${run}`);
    const zeros = new Array<number>(functions).fill(0);
    const graph: RunGraph = {
      runId: dagId,
      dagId,
      ids,
      code: zeros,
      names: ['f'],
      deps: ids.map((_, i) => (i === 0 ? [] : [i - 1])),
      pins: ids.map(() => null),
      cost: zeros,
      costs: [null],
      duration: ids.map(() => null),
    };
    history.record({ host: 'local', graph, event: { type: 'run:started', at: 0, runId: dagId, dagId, functions } });
    history.record({
      host: 'local',
      event: {
        type: 'attempts',
        at: 1,
        runId: dagId,
        dagId,
        node: 'n',
        thread: 0,
        functionIds: ids,
        attempts: zeros,
        spans: [...zeros, ...zeros].map((_, i) => i * 0.5),
        bytes: zeros,
        failed: [],
      },
    });
    history.record({
      host: 'local',
      event: { type: 'run:finished', at: 2, runId: dagId, dagId, functions, retries: 0, durationMs: 2 },
    });
  }
  const grown = used() - before;
  return {
    group: 'dashboard',
    name: `memory after 100 runs of 100,000 functions (${history.rows.toLocaleString('en')} attempts kept)`,
    unit: 'MiB',
    ours: grown,
    goal: { atMost: 256 },
  };
}
