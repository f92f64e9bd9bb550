/** Maps over hosts. The orchestrator is this process, with node a; hosts B and C have the nodes b and c. */
import { describe, expect, it } from 'vitest';
import { Dag, dag } from '../../../lib/index.ts';
import { dagOf, errorOf, t } from '../../support/handoff.ts';
import { next, record, startHere, startHost, useCluster } from '../../support/hosts.ts';
import { f, Folder, until } from './folder.ts';

const node = (name: string): { name: string; capabilities: { cpu: number }; threads: number } => ({
  name,
  capabilities: { cpu: 2 },
  threads: 2,
});
const cluster = useCluster({ nodes: [node('a')] }, { nodes: [node('b')] });
const length = 2 ** 16; // 512 KiB: such a result stays on its host
const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
const totalOf = (from: number): number => (length * (length - 1)) / 2 + length * from;

describe('a map over hosts', () => {
  it('takes a list that is on another host, and elements of a map there', async () => {
    const made = new Dag()
      .add({ id: 'list', code: f.ramp, extraArgs: [length], node: 'b' })
      .add({ id: 'lengths', code: t.constant, extraArgs: [upTo(4).map(() => length)] })
      .add({ id: 'ramps', code: f.ramp, args: ['lengths'], extraArgs: [3], map: true, node: 'b' })
      .add({ id: 'sums', code: f.sumAfter, args: ['ramps', 'list'], map: true, node: 'a' })
      .add({ id: 'back', code: f.blend, args: ['ramps'], map: true, node: 'b' })
      .add({ id: 'all', code: t.sumList, args: ['sums'], node: 'b' });
    const { results, allocations, runId } = await cluster.handoff.execute(made, { collect: ['sums', 'all', 'ramps'] });
    expect(results['sums']).toEqual(upTo(4).map(() => totalOf(3)));
    expect(results['all']).toBe(4 * totalOf(3));
    expect(results['ramps'].map((ramp: Float64Array) => [ramp.length, ramp[1]])).toEqual(
      upTo(4).map(() => [length, 4]),
    );
    for (const k of upTo(4)) expect(allocations).toMatchObject({ [`ramps[${k}]`]: 'b', [`sums[${k}]`]: 'a' });
    expect(await cluster.handoff.getResult(runId, 'sums[2]')).toBe(totalOf(3));
    expect(await cluster.handoff.getResult(runId, 'ramps[2]')).toHaveLength(length);
  });

  it('has one element for each entry of a large list of another host', async () => {
    const made = new Dag()
      .add({ id: 'list', code: f.ramp, extraArgs: [length / 8], node: 'b' })
      .add({ id: 'twice', code: t.double, args: ['list'], map: true })
      .add({ id: 'all', code: t.sumList, args: ['twice'] });
    const { results } = await cluster.handoff.execute(made, { collect: 'sinks' });
    expect(results).toEqual({ all: (length / 8) * (length / 8 - 1) });
  });

  it('settles errors of other hosts, retries single elements, and maps an empty list', async () => {
    const { results } = await cluster.handoff.execute(
      dagOf(
        { id: 'names', code: t.constant, extraArgs: [['a', 'b']] },
        { id: 'refused', code: f.notOn, args: ['names'], map: { settle: true }, node: 'b', maxRetries: 0 },
        { id: 'again', code: f.said, args: ['names'], map: true },
        { id: 'none', code: t.constant, extraArgs: [[]], node: 'b' },
        { id: 'nothing', code: t.double, args: ['none'], map: true, node: 'b' },
      ),
    );
    expect(results['refused']).toEqual([
      { ok: true, value: ['b', 1] },
      { ok: false, error: expect.objectContaining({ message: 'not on b' }) },
    ]);
    expect(results['again']).toEqual([2, 2]);
    expect(results['nothing']).toEqual([]);
  });

  it('goes on with failurePolicy continue, and names what failed on another host', async () => {
    const error = await errorOf(
      cluster.handoff.execute(
        dagOf(
          { id: 'm', code: f.notOn, extraArgs: [['a', 'b', 'a']], map: true, node: 'b', maxRetries: 0 },
          { id: 'n', code: f.same, args: ['m'], map: true, node: 'a' },
          { id: 'all', code: t.collect, args: ['n'] },
          { id: 'other', code: f.where, args: [], node: 'b' },
        ),
        { failurePolicy: 'continue' },
      ),
    );
    expect(error.failures!.map(({ functionId }) => functionId)).toEqual(['m[1]']);
    expect(error.results).toEqual({ other: 'b' });
  });

  it('runs at most `concurrency` elements over all hosts, and is aborted everywhere', async () => {
    const folder = new Folder();
    const names = upTo(6).map(String);
    const running = cluster.handoff.execute(
      dagOf({ id: 'm', code: f.holdNamed, extraArgs: [names, folder.path, 20], map: { concurrency: 3 } }),
    );
    expect((await running).results['m']).toEqual(names);
    expect(folder.names.sort()).toEqual(names);
    expect(folder.most).toBeLessThanOrEqual(3);

    const doors = new Folder();
    const controller = new AbortController();
    const aborted = errorOf(
      cluster.handoff.execute(
        dagOf({ id: 'm', code: f.passDoorNamed, extraArgs: [names, doors.path], map: { concurrency: 4 } }),
        { signal: controller.signal },
      ),
    );
    await doors.arrived(4);
    controller.abort();
    expect(await aborted).toMatchObject({ code: 'ABORTED' });
    expect(doors.names).toHaveLength(4);
  });

  it('gives an element of another host to a caller that asked before it existed', async () => {
    const folder = new Folder();
    const made = dagOf(
      { id: 'door', code: f.passDoor, extraArgs: [folder.path, 'door', [length]], node: 'a' },
      { id: 'm', code: f.ramp, args: ['door'], map: true, node: 'b' },
      { id: 'sum', code: f.sum, args: ['m'], map: true, node: 'b' },
    );
    const running = cluster.handoff.execute(made, { runId: 'asked', collect: ['sum'] });
    await folder.arrived(1);
    const element = cluster.handoff.getResult('asked', 'm[0]', { timeout: 60_000 });
    folder.open();
    expect(await element).toHaveLength(length);
    await running;
  });

  it('is the same in the value form', async () => {
    const list = t.sortInPlace([3, 1, 2]);
    const all = t.sumList(t.double.map(t.increment.map(list).with({ node: 'b' })).with({ node: 'a' }));
    expect(await cluster.handoff.run(dag('maps', { all }))).toEqual({ all: 18 });
  });
});

describe('a host that is killed in the middle of a map', () => {
  it('costs no element: each one is correct and arrives once', async () => {
    const b = await startHost({ nodes: [node('b')] });
    const handoff = await startHere({ nodes: [node('a')], join: [b.address] });
    const count = 400;
    const made = new Dag()
      .add({ id: 'list', code: t.constant, extraArgs: [upTo(count)] })
      .add({ id: 'first', code: t.churn, args: ['list'], extraArgs: [2, false], map: true })
      .add({ id: 'large', code: f.rampFrom, args: ['first'], extraArgs: [20_000], map: true })
      .add({ id: 'last', code: f.sumAfter, args: ['large'], extraArgs: [0], map: true })
      .add({ id: 'all', code: t.collect, args: ['last'] });
    const far = record(handoff, 'function:finished');
    const down = next(handoff, 'node:down');
    const running = handoff.execute(made, { collect: ['all', 'first'] });
    await until(() => far.filter(({ node: at }) => at === 'b').length >= 5);
    await b.kill();
    await down;
    const { results } = await running;
    expect(results['first']).toEqual(upTo(count));
    expect(results['all']).toEqual([upTo(count).map((from) => (20_000 * 19_999) / 2 + 20_000 * from)]);
  });
});
