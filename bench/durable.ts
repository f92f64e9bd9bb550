/** What it costs that runs are recorded, how soon one goes on after its process was killed, and what the cache gives. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type ExecuteOptions, Handoff, type HandoffOptions } from '../lib/index.ts';
import { chains, independent, toDag, type Vertex } from './support/graphs.ts';
import { compete, median } from './support/measure.ts';
import type { Row } from './support/report.ts';

const worker = new URL('./support/cold/resumed.mjs', import.meta.url).pathname;
const nodes = [{ name: 'n', capabilities: { cpu: 2 }, threads: 2 }];
const size = 10_000;

export async function durable({ rounds }: { readonly rounds: number }): Promise<Row[]> {
  const folder = mkdtempSync(join(tmpdir(), 'handoff-bench-'));
  try {
    return [
      ...(await recording(folder, rounds)),
      ...(await resuming(folder, rounds)),
      ...(await caching(folder, rounds)),
    ];
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Runs with a journal beside runs without one. */
async function recording(folder: string, rounds: number): Promise<Row[]> {
  const start = (sync?: 'normal' | 'full'): Promise<Handoff> =>
    Handoff.start({
      nodes,
      ...(sync !== undefined && { journal: { type: 'sqlite', path: join(folder, sync), sync } }),
    } satisfies HandoffOptions);
  await using bare = await start();
  await using normal = await start('normal');
  await using full = await start('full');
  const runOf = (handoff: Handoff, vertices: readonly Vertex[]) => () => {
    const dag = toDag(vertices);
    return () => handoff.execute(dag);
  };
  const noops = independent(size);
  const { none, ...others } = await compete(
    { none: runOf(bare, noops), normal: runOf(normal, noops), full: runOf(full, noops) },
    { rounds },
  );
  const rows = (['normal', 'full'] as const).flatMap((sync): Row[] => {
    const { ms, allCpu } = others[sync];
    const name = `10,000 no-ops, recorded (SQLite, sync '${sync}')`;
    return [
      {
        group: 'durable',
        name,
        unit: 'functions/s',
        ours: size / (ms / 1000),
        beside: size / (none.ms / 1000),
        what: 'not recorded',
        ratio: none.ms / ms,
        goal: { atLeast: sync === 'normal' ? 50_000 : 20_000 },
      },
      {
        group: 'durable',
        name: `${name}: CPU of all threads`,
        unit: 'µs/function',
        ours: allCpu / size,
        beside: none.allCpu / size,
        what: 'not recorded',
        ratio: none.allCpu / allCpu,
      },
    ];
  });
  rows.push({
    group: 'durable',
    name: '10,000 no-ops: growth of the journal',
    unit: 'B/function',
    ours: (await bytesOfRun(join(folder, 'bytes'), noops)) / size,
  });
  const long = independent(2000, 'compute', [stepsOf(1)]);
  const ms1 = await compete({ none: runOf(bare, long), normal: runOf(normal, long) }, { rounds, warmUps: 1 });
  rows.push({
    group: 'durable',
    name: '2,000 functions of 1 ms, recorded',
    unit: 'ms',
    ours: ms1.normal.ms,
    beside: ms1.none.ms,
    what: 'not recorded',
    ratio: ms1.none.ms / ms1.normal.ms,
    goal: { ratioAtLeast: 1 / 1.05 },
  });
  return rows;
}

/** By how much a journal of one run is larger than an empty one, in bytes. */
async function bytesOfRun(path: string, vertices: readonly Vertex[]): Promise<number> {
  const sizeAfter = async (work: (handoff: Handoff) => Promise<unknown>): Promise<number> => {
    const handoff = await Handoff.start({ nodes, journal: { type: 'sqlite', path } });
    await work(handoff);
    await handoff.stop();
    return readdirSync(path).reduce((sum, file) => sum + statSync(join(path, file)).size, 0);
  };
  const empty = await sizeAfter(async () => {});
  return (await sizeAfter((handoff) => handoff.execute(toDag(vertices)))) - empty;
}

/** Steps of `compute` that take about this many ms here. */
function stepsOf(ms: number): number {
  const steps = 1_000_000;
  const begun = performance.now();
  let x = 1;
  for (let i = 0; i < steps; i++) x = x * 1.000000001 + 1e-9;
  return Math.round((steps * ms) / (performance.now() - begun)) + (x > 0 ? 0 : 1);
}

/** A process is killed when half of its functions are recorded, and another one goes on. */
async function resuming(folder: string, rounds: number): Promise<Row[]> {
  const firsts: number[] = [];
  const bare: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const path = join(folder, `resumed-${round}`);
    bare.push(Number(spawnSync(process.execPath, ['-p', 'performance.now()'], { encoding: 'utf8' }).stdout));
    const killed = startWorker(path);
    await killed.said('begun');
    killed.kill();
    await killed.exited;
    const second = startWorker(path);
    firsts.push(Number((await second.said('first'))[0]));
    const [restored, ran] = (await second.said('ended')).map(Number) as [number, number];
    await second.exited;
    if (restored < size / 2 || restored + ran !== size)
      throw new Error(`${restored} functions were restored and ${ran} ran, of ${size}`);
  }
  return [
    {
      group: 'durable',
      name: 'a run of 10,000, half done, after kill -9: process start to the first function',
      unit: 'ms',
      ours: median(firsts),
      beside: median(bare),
      what: 'a bare Node',
      ratio: median(bare) / median(firsts),
      goal: { atMost: 300 },
    },
  ];
}

function startWorker(path: string) {
  const child = spawn(process.execPath, [worker, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    exited: new Promise<void>((resolve) => child.once('exit', () => resolve())),
    kill: () => child.kill('SIGKILL'),
    async said(word: string): Promise<string[]> {
      for (;;) {
        const { value, done } = await lines.next();
        if (done === true) throw new Error(`the process ended, and has not said ${word}`);
        const [first, ...rest] = value.split(' ');
        if (first === word) return rest;
      }
    },
  };
}

/** Everything is in the cache. */
async function caching(folder: string, rounds: number): Promise<Row[]> {
  await using handoff = await Handoff.start({ nodes, cacheDir: join(folder, 'cache') });
  const graphs: Readonly<Record<string, Vertex[]>> = {
    '10,000 independent functions': independent(size).map((vertex, k) => ({
      ...vertex,
      task: 'increment',
      extra: [k],
    })),
    '100 chains × 100': chains(100, 100),
  };
  const rows: Row[] = [];
  for (const [name, vertices] of Object.entries(graphs)) {
    for (const collect of ['all', [vertices.at(-1)!.id]] as const) {
      const runWith = (options: ExecuteOptions) => () => {
        const dag = toDag(vertices);
        return () => handoff.execute(dag, { ...options, collect });
      };
      await runWith({ cache: true })()();
      const { hits, computed } = await compete({ hits: runWith({ cache: true }), computed: runWith({}) }, { rounds });
      rows.push({
        group: 'durable',
        name: `${name}, all cached, ${collect === 'all' ? 'all' : 'one'} returned`,
        unit: 'functions/s',
        ours: size / (hits.ms / 1000),
        beside: size / (computed.ms / 1000),
        what: 'no-ops that run',
        ratio: computed.ms / hits.ms,
        ...(collect !== 'all' && { goal: { atLeast: 100_000 } }),
      });
    }
  }
  return rows;
}
