import { describe, expect, it } from 'vitest';
import { Dag, type Handoff } from '../../lib/index.ts';
import { churn } from '../fixtures/tasks.ts';
import { t } from '../support/handoff.ts';
import { type HostProcess, next, startHere, startHost } from '../support/hosts.ts';

// CHAOS=full: as much as it takes to believe it.
const full = process.env['CHAOS'] === 'full';
const [functions, rounds] = full ? [2000, 20] : [400, 1];
const node = (name: string) => ({ name, capabilities: { cpu: 1 }, threads: 1 });

/** Chains of functions of 5 ms, some of which give something large, each joined now and then by the one beside it. */
function woven(): Dag {
  const dag = new Dag();
  const width = 20;
  for (let id = 0; id < functions; id++) {
    const deps = id < width ? [] : id % 3 === 0 && id % width > 0 ? [id - width, id - width - 1] : [id - width];
    dag.add({
      id: `f${id}`,
      code: t.churn,
      args: deps.map((dep) => `f${dep}`),
      layout: [{ value: id }, { value: 5 }, { value: id % 10 === 0 }, ...deps.map((_, arg) => ({ arg }))],
    });
  }
  return dag;
}

function expected(): unknown[] {
  const width = 20;
  const values: (number | Float64Array)[] = [];
  for (let id = 0; id < functions; id++) {
    const deps = id < width ? [] : id % 3 === 0 && id % width > 0 ? [id - width, id - width - 1] : [id - width];
    values.push(churn(id, 0, id % 10 === 0, ...deps.map((dep) => values[dep]!)));
  }
  return values.map(first);
}

const first = (value: unknown): unknown => (typeof value === 'number' ? value : (value as Float64Array)[0]);
const given = (results: Readonly<Record<string, unknown>>): unknown[] =>
  Array.from({ length: functions }, (_, id) => first(results[`f${id}`]));
const report = (what: string, times: readonly number[][]): void => {
  if (full)
    process.stderr.write(
      `${what}; ms undisturbed, disturbed: ${times.map((pair) => pair.map(Math.round).join(' ')).join(', ')}\n`,
    );
};

async function timed(work: () => Promise<unknown>): Promise<number> {
  const before = performance.now();
  await work();
  return performance.now() - before;
}

describe('a run over two hosts', () => {
  it.each<[string, NodeJS.Signals]>([
    ['is killed', 'SIGKILL'],
    ['falls silent', 'SIGSTOP'],
  ])(
    `gives the right results ${rounds} times of ${rounds}, when one of them %s in the middle`,
    async (what, signal) => {
      const right = expected();
      const silence = { heartbeatInterval: 100, heartbeatTimeout: 1500 };
      const stays = await startHost({ nodes: [node('stays')], transport: silence });
      const handoff = await startHere({ join: [stays.address], transport: silence });
      const times: number[][] = [];
      for (let round = 0; round < rounds; round++) {
        const goes = await withNode(handoff, 'goes', () =>
          startHost({ nodes: [node('goes')], join: [stays.address], transport: silence }),
        );
        const calm = await timed(() => handoff.execute(woven()));
        let results: Readonly<Record<string, unknown>> = {};
        const begun = begins(handoff, functions / 3);
        const disturbed = timed(async () => ({ results } = await handoff.execute(woven(), { maxRetries: 0 })));
        await begun;
        goes.signal(signal);
        times.push([calm, await disturbed]);
        expect(given(results)).toEqual(right);
        await goes.kill();
      }
      report(`a host ${what}`, times);
    },
    full ? 900_000 : 60_000,
  );
});

/** Resolves when so many functions have finished. */
function begins(handoff: Handoff, count: number): Promise<void> {
  let left = count;
  return new Promise((resolve) => {
    const listener = (): void => {
      if (--left > 0) return;
      handoff.off('function:finished', listener);
      resolve();
    };
    handoff.on('function:finished', listener);
  });
}

async function withNode(handoff: Handoff, name: string, start: () => Promise<HostProcess>): Promise<HostProcess> {
  const up = next(handoff, 'node:up', (event) => event.node === name);
  const [host] = await Promise.all([start(), up]);
  return host;
}

it('two orchestrators with overlapping runs never take more of a node than it has, and both finish', async () => {
  const each = full ? 10_000 : 1500;
  const hosts = [await startHost({ nodes: [{ name: 'a', capabilities: { cpu: 2, seats: 3 }, threads: 2 }] })];
  hosts.push(
    await startHost({
      nodes: [{ name: 'b', capabilities: { cpu: 1, seats: 2 }, threads: 2 }],
      join: [hosts[0]!.address],
    }),
  );
  const orchestrators = [
    await startHere({ join: [hosts[0]!.address] }),
    await startHere({ join: [hosts[1]!.address] }),
  ];
  const dag = (): Dag => {
    const made = new Dag();
    for (let i = 0; i < each; i++)
      made.add({ id: `f${i}`, code: t.one, cost: [{ cpu: 1 }, { seats: 2 }, { cpu: 0.5, seats: 1 }][i % 3]! });
    return made;
  };
  const ends = await Promise.all(orchestrators.map((handoff) => handoff.execute(dag())));
  for (const { results } of ends) expect(Object.values(results).every((value) => value === 1)).toBe(true);
  const [a, b] = [await hosts[0]!.claims('a'), await hosts[1]!.claims('b')];
  expect([a.now, b.now].map((now) => Object.values(now).reduce((sum, amount) => sum + amount, 0))).toEqual([0, 0]);
  for (const [{ most }, capabilities] of [
    [a, { cpu: 2, seats: 3 }],
    [b, { cpu: 1, seats: 2 }],
  ] as const) {
    for (const [name, amount] of Object.entries(capabilities)) expect(most[name], name).toBeLessThanOrEqual(amount);
  }
}, 300_000);

it('heartbeats come in time while much is fetched', async () => {
  const gibibyte = 2 ** 30;
  const bytes = full ? gibibyte : gibibyte / 4;
  const interval = 200;
  const host = await startHost({
    nodes: [node('far')],
    transport: { heartbeatInterval: interval, heartbeatTimeout: 2 * interval + interval },
  });
  const handoff = await startHere({
    join: [host.address],
    transport: { heartbeatInterval: interval, heartbeatTimeout: 2 * interval + interval },
  });
  const down: unknown[] = [];
  handoff.on('node:down', (event) => down.push(event));
  const dag = new Dag();
  for (let i = 0; i < 4; i++) dag.add({ id: `f${i}`, code: t.float64, extraArgs: [bytes / 4 / 8, i] });
  const { results } = await handoff.execute(dag);
  expect(Object.values(results).map((value) => (value as Float64Array).byteLength)).toEqual([
    bytes / 4,
    bytes / 4,
    bytes / 4,
    bytes / 4,
  ]);
  expect(down, 'given up after a silence of three intervals').toEqual([]);
}, 120_000);
