/** Hosts that are killed and stopped while they are needed, on a machine with nothing to spare. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Dag, type Handoff, type HandoffError, tasks } from '../../lib/index.ts';
import { temporary } from '../hosts/cluster/folder.ts';
import { type HostProcess, next, startHere, startHost } from '../support/hosts.ts';

const { sumOf } = tasks<typeof import('../fixtures/chaos-tasks.ts')>(
  new URL('../fixtures/chaos-tasks.ts', import.meta.url),
);

// CHAOS=full: as much as it takes to believe it.
const full = process.env['CHAOS'] === 'full';
const rounds = Number(process.env['CHAOS_ROUNDS'] ?? (full ? 35 : 3));
const heartbeat = { heartbeatInterval: 200, heartbeatTimeout: 1000 };
const names = ['a', 'b', 'c', 'd'];

const busy: ChildProcess[] = [];
beforeAll(() => {
  for (let k = 0; k < 2; k++) busy.push(spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' }));
});
afterAll(() => {
  for (const each of busy) each.kill('SIGKILL');
});

interface Work {
  readonly id: number;
  readonly ms: number;
  readonly bytes: number;
  readonly once: boolean;
  readonly deps: readonly number[];
}

const MiB = 2 ** 20;

function randomFrom(seed: number): (below: number) => number {
  let state = seed * 7919 + 1;
  return (below) => ((state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff) >>> 8) % below;
}

/** Chains side by side, woven together; some give something large, and every second time some are not idempotent. */
function workOf(seed: number, size: number): Work[] {
  const random = randomFrom(seed);
  const width = 20;
  return Array.from({ length: size }, (_, id): Work => {
    const chance = random(200);
    const bytes = chance === 0 ? 32 * MiB : chance < 20 ? 2 ** (13 + random(8)) : 0;
    const deps = id < width ? [] : random(3) === 0 ? [id - width, id - 1 - random(width)] : [id - width];
    return { id, ms: 2 + random(8), bytes, once: seed % 2 === 0 && random(10) === 0, deps: [...new Set(deps)] };
  });
}

function dagOf(all: readonly Work[], log: string): Dag {
  const dag = new Dag();
  for (const { id, ms, bytes, once, deps } of all) {
    dag.add({
      id: `f${id}`,
      code: sumOf,
      args: deps.map((dep) => `f${dep}`),
      layout: [{ value: log }, { value: id }, { value: ms }, { value: bytes }, ...deps.map((_, arg) => ({ arg }))],
      ...(once && { idempotent: false }),
    });
  }
  return dag;
}

function sumsOf(all: readonly Work[]): number[] {
  const sums: number[] = [];
  for (const { id, deps } of all) sums.push((id + deps.reduce((sum, dep) => sum + sums[dep]!, 0)) % 1_000_003);
  return sums;
}

/** Resolves when so many functions have finished, or the run is over. */
function finished(handoff: Handoff, count: number, over: Promise<unknown>): Promise<unknown> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let left = count;
  const listener = (): void => void (--left === 0 && resolve());
  handoff.on('function:finished', listener);
  return Promise.race([promise, over]).finally(() => handoff.off('function:finished', listener));
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

it(
  `runs over four hosts give the right results ${rounds} times of ${rounds}, and begin nothing twice that is not idempotent, while hosts are killed and stopped`,
  async () => {
    const node = (name: string) => [{ name, capabilities: { cpu: 1 }, threads: 1 }];
    const hosts = new Map<string, HostProcess>();
    const start = async (name: string, port?: number): Promise<void> => {
      const [first] = hosts.values();
      hosts.set(
        name,
        await startHost({
          nodes: node(name),
          ...(first !== undefined && { join: [first.address] }),
          transport: { ...heartbeat, ...(port !== undefined && { port }) },
        }),
      );
    };
    for (const name of names) await start(name);
    const handoff = await startHere({ join: [...hosts.values()].map(({ address }) => address), transport: heartbeat });
    const there = async (): Promise<boolean> => Object.keys(await handoff.discoverNodes()).length === names.length;
    let [functions, extra, downs, given] = [0, 0, 0, 0];
    handoff.on('node:down', () => void downs++);
    for (let round = 1; round <= rounds; round++) {
      while (!(await there())) await next(handoff, 'node:up');
      const random = randomFrom(round);
      const size = full ? 300 + random(2701) : 300;
      const all = workOf(round, size);
      const log = join(temporary(), 'log');
      const running = handoff.execute(dagOf(all, log), { maxRetries: 0, collect: 'sinks' }).then(
        ({ results }) => ({ results, error: undefined }),
        (error: HandoffError) => ({ results: undefined, error }),
      );
      await finished(handoff, Math.floor(size / 4) + random(size >> 1), running);
      const name = names[random(names.length)]!;
      const victim = hosts.get(name)!;
      const what = ['killed', 'stopped for a moment', 'stopped for long'][round % 3]!;
      if (what === 'killed') {
        await victim.kill();
        hosts.delete(name);
        await start(name, Number(victim.address.split(':').at(-1)));
      } else {
        victim.signal('SIGSTOP');
        await pause(what === 'stopped for long' ? 3000 : 300);
        victim.signal('SIGCONT');
      }
      const { results, error } = await running;
      if (error !== undefined && error.code !== 'NODE_DOWN') throw error;
      const begun = new Map<number, number>();
      for (const id of readFileSync(log, 'utf8').split('\n').filter(Boolean))
        begun.set(Number(id), (begun.get(Number(id)) ?? 0) + 1);
      expect(
        all.filter(({ id, once }) => once && (begun.get(id) ?? 0) > 1),
        `round ${round}, ${name} ${what}`,
      ).toEqual([]);
      if (error === undefined) {
        const sums = sumsOf(all);
        for (const [id, value] of Object.entries(results!))
          expect(typeof value === 'number' ? value : (value as Float64Array)[0], `round ${round}, ${id}`).toBe(
            sums[Number(id.slice(1))],
          );
        functions += size;
        extra += [...begun.values()].reduce((sum, count) => sum + count - 1, 0);
      } else {
        given++;
        // A host that was lost may have begun such a function: then the run says so, and which.
        expect(error, `round ${round}, ${name} ${what}`).toMatchObject({ code: 'NODE_DOWN', node: name });
        expect(all[Number(error.functionId!.slice(1))], error.message).toMatchObject({ once: true });
      }
      if (full)
        process.stderr.write(
          `round ${round}: ${size} functions, ${name} ${what}, ${error === undefined ? 'right' : error.message}, ${[...begun.values()].reduce((sum, count) => sum + count - 1, 0)} executions too many\n`,
        );
    }
    process.stderr.write(
      `${rounds} rounds: ${functions} functions, ${extra} executions too many (${((100 * extra) / functions).toFixed(1)} %), ${given} runs given up for a function that is not idempotent, ${downs} times a node was down\n`,
    );
    if (full) expect(extra / functions).toBeLessThanOrEqual(0.15);
  },
  full ? 3_600_000 : 300_000,
);
