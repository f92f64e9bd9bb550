import { expect, it } from 'vitest';
import { Dag, Handoff } from '../../lib/index.ts';
import { churn } from '../fixtures/tasks.ts';
import { dagOf, errorOf, t } from '../support/handoff.ts';

// CHAOS=full: as much as it takes to believe it.
const full = process.env['CHAOS'] === 'full';
const [functions, rounds] = full ? [10_000, 20] : [1500, 2];

interface Work {
  readonly id: number;
  readonly ms: number;
  readonly large: boolean;
  readonly deps: readonly number[];
}

function plan(seed: number): Work[] {
  let state = seed;
  const next = (below: number): number => ((state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff) >>> 8) % below;
  return Array.from({ length: functions }, (_, id) => ({
    id,
    ms: next(10) === 0 ? next(6) : 0,
    large: next(20) === 0,
    deps: id < 10 ? [] : Array.from({ length: next(3) }, () => Math.max(0, id - 1 - next(200))),
  }));
}

function toDag(all: readonly Work[]): Dag {
  const dag = new Dag();
  for (const { id, ms, large, deps } of all) {
    dag.add({
      id: `f${id}`,
      code: t.churn,
      args: deps.map((dep) => `f${dep}`),
      layout: [{ value: id }, { value: ms }, { value: large }, ...deps.map((_, arg) => ({ arg }))],
    });
  }
  return dag;
}

function interpret(all: readonly Work[]): unknown[] {
  const values: (number | Float64Array)[] = [];
  for (const { id, large, deps } of all) values.push(churn(id, 0, large, ...deps.map((dep) => values[dep]!)));
  return values.map((value) => (typeof value === 'number' ? value : value[0]));
}

const nodes = [
  { name: 'a', capabilities: { cpu: 2 }, threads: 2 },
  { name: 'b', capabilities: { cpu: 1 }, threads: 1 },
];

it(`${functions} functions give the right results ${rounds} times of ${rounds}, while threads are killed and a node comes and goes`, async () => {
  const handoff = await Handoff.start({ nodes });
  const counts = { kills: 0, removals: 0 };
  const times: number[][] = [];
  for (let round = 0; round < rounds; round++) {
    const all = plan(round + 1);
    const calm = performance.now();
    await handoff.execute(toDag(all));
    const before = performance.now();
    const stop = disturb(handoff, counts);
    const { results } = await handoff.execute(toDag(all), { maxRetries: 0 });
    times.push([before - calm, performance.now() - before]);
    await stop();
    const given = all
      .map(({ id }) => results[`f${id}`] as number | Float64Array)
      .map((value) => (typeof value === 'number' ? value : value[0]));
    expect(given).toEqual(interpret(all));
  }
  expect(counts.kills).toBeGreaterThan(rounds);
  expect(counts.removals).toBeGreaterThanOrEqual(rounds);
  if (full)
    process.stderr.write(
      `${JSON.stringify(counts)}; ms undisturbed, disturbed: ${times.map((pair) => pair.map(Math.round).join(' ')).join(', ')}\n`,
    );
  await handoff.stop();
}, 3_600_000);

/**
 * Kills a thread every 50 ms, by functions that end it, and takes a node out and in again every second. Gives what
 * stops that.
 */
function disturb(handoff: Handoff, counts: { kills: number; removals: number }): () => Promise<void> {
  let going = true;
  const killing = (async () => {
    while (going) {
      const error = await errorOf(
        handoff.execute(dagOf({ id: 'killer', code: t.exit, extraArgs: [1], maxRetries: 0 })),
      );
      expect(error.cause).toMatchObject({ code: 'WORKER_CRASHED' });
      counts.kills++;
      await pause(50);
    }
  })();
  const moving = (async () => {
    while (going) {
      await handoff.removeNode('b');
      counts.removals++;
      await pause(20);
      await handoff.registerNode('b', { cpu: 1 });
      for (let waited = 0; going && waited < 1000; waited += 50) await pause(50);
    }
  })();
  return async () => {
    going = false;
    await Promise.all([killing, moving]);
  };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
