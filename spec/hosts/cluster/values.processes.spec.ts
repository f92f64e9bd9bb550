/** Values between hosts. The orchestrator is this process; hosts B and C are others. */
import { readdirSync } from 'node:fs';
import { Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { Dag } from '../../../lib/index.ts';
import { dagOf, errorOf, t } from '../../support/handoff.ts';
import { record, startHere, startHost, useCluster } from '../../support/hosts.ts';
import { f, Folder, temporary, until } from './folder.ts';

const cluster = useCluster(
  { nodes: [{ name: 'a', capabilities: { cpu: 2 }, threads: 2 }], options: { retainedRuns: 3 } },
  { nodes: [{ name: 'b', capabilities: { cpu: 2 }, threads: 2 }] },
  { nodes: [{ name: 'c', capabilities: { cpu: 1 } }] },
);
const a = (): number => process.pid;
const b = (): number => cluster.hosts[0]!.pid;
const c = (): number => cluster.hosts[1]!.pid;

/** Bytes that have come into this process over TCP, on connections that are still there. */
function received(): number {
  const handles = (process as unknown as { _getActiveHandles(): unknown[] })._getActiveHandles();
  return handles.reduce<number>((sum, handle) => sum + (handle instanceof Socket ? handle.bytesRead : 0), 0);
}

describe('small values', () => {
  it('of every kind that structured clone supports arrive unchanged, from host to host and here', async () => {
    const { results } = await cluster.handoff.execute(
      dagOf(
        { id: 'made', code: f.menagerie, node: 'b' },
        { id: 'local', code: f.menagerie, node: 'a' },
        { id: 'passed', code: f.same, args: ['made'], node: 'c' },
        { id: 'back', code: f.same, args: ['passed'], node: 'a' },
      ),
    );
    for (const id of ['made', 'passed', 'back']) {
      expect(results[id]).toEqual(results['local']);
      expect(Object.is(results[id].minus, -0)).toBe(true);
      expect(results[id].cyclic.self).toBe(results[id].cyclic);
      expect(1 in results[id].sparse).toBe(false);
      expect(results[id].error).toBeInstanceOf(RangeError);
    }
  });

  it.each([undefined, null, 0, -0, '', false, Number.NaN, 0n])('%s is a value too', async (value) => {
    const { results } = await cluster.handoff.execute(
      dagOf(
        { id: 'x', code: f.same, extraArgs: [value], node: 'b' },
        { id: 'y', code: t.collect, args: ['x'], node: 'c' },
      ),
    );
    expect(Object.is(results['x'], value)).toBe(true);
    expect(Object.is(results['y'][0], value)).toBe(true);
  });

  it('keep their class, as Buffers and typed arrays of any length', async () => {
    const { results } = await cluster.handoff.execute(
      dagOf(
        { id: 'small', code: t.bytes, extraArgs: [10], node: 'b' },
        { id: 'large', code: t.bytes, extraArgs: [100_000], node: 'b' },
        { id: 'i8', code: f.ints, extraArgs: ['Int8Array', 70_000], node: 'b' },
        { id: 'u8c', code: f.ints, extraArgs: ['Uint8ClampedArray', 5], node: 'b' },
        { id: 'f32', code: f.ints, extraArgs: ['Float32Array', 20_000], node: 'b' },
        { id: 'big', code: f.ints, extraArgs: ['BigInt64Array', 10_000], node: 'b' },
        { id: 'empty', code: f.ramp, extraArgs: [0], node: 'b' },
        { id: 'kinds', code: f.classes, args: ['small', 'large', 'i8', 'u8c', 'f32', 'big', 'empty'], node: 'c' },
      ),
    );
    const kinds = [
      'Buffer',
      'Buffer',
      'Int8Array',
      'Uint8ClampedArray',
      'Float32Array',
      'BigInt64Array',
      'Float64Array',
    ];
    expect(results['kinds']).toEqual(kinds);
    expect(['small', 'large', 'i8', 'u8c', 'f32', 'big', 'empty'].map((id) => results[id].constructor.name)).toEqual(
      kinds,
    );
    expect(results['large'].equals(Buffer.alloc(100_000, 7))).toBe(true);
    expect(results['big'][9_999]).toBe(9_994n);
    expect(results['empty']).toHaveLength(0);
  });

  it('may be errors, which are results like others', async () => {
    const { results } = await cluster.handoff.execute(
      dagOf(
        { id: 'x', code: f.farError, node: 'b' },
        { id: 'y', code: f.classes, args: ['x'], node: 'c' },
        { id: 'z', code: f.same, args: ['x'], node: 'c' },
      ),
    );
    expect(results['y']).toEqual(['FarError']);
    for (const error of [results['x'], results['z']]) {
      expect(error).toBeInstanceOf(RangeError);
      expect(error).toMatchObject({ message: 'a result', code: 'E_FAR', where: { at: [1, 2] }, cause: 'because' });
    }
  });

  it('that cannot leave their thread fail the function there, and no other', async () => {
    const error = await errorOf(
      cluster.handoff.execute(
        dagOf({ id: 'x', code: t.functionInside, node: 'b' }, { id: 'y', code: t.one, node: 'b' }),
        { failurePolicy: 'continue' },
      ),
    );
    expect(error).toMatchObject({
      code: 'FUNCTION_FAILED',
      functionId: 'x',
      cause: { code: 'NOT_SERIALIZABLE' },
      results: { y: 1 },
    });
  });

  it('that hold shared memory cannot come from another host, and the error says so', async () => {
    const error = await errorOf(
      cluster.handoff.execute(dagOf({ id: 'x', code: t.flagAndMore, node: 'b', maxRetries: 0 })),
    );
    expect(error).toMatchObject({ code: 'FUNCTION_FAILED', functionId: 'x', cause: { code: 'NOT_SERIALIZABLE' } });
    expect((await cluster.handoff.execute(dagOf({ id: 'x', code: t.one, node: 'b' }))).results).toEqual({ x: 1 });
  });

  it('that hold shared memory cannot go to another host, and the error says so', async () => {
    const error = await errorOf(
      cluster.handoff.execute(
        dagOf({ id: 'x', code: t.count, extraArgs: [new SharedArrayBuffer(4)], node: 'b', maxRetries: 0 }),
      ),
    );
    expect(error).toMatchObject({ code: 'FUNCTION_FAILED', functionId: 'x', cause: { code: 'NOT_SERIALIZABLE' } });
    const dependency = await errorOf(
      cluster.handoff.execute(
        dagOf(
          { id: 'x', code: t.flagAndMore, node: 'a' },
          { id: 'y', code: t.isRaised, args: ['x'], node: 'b', maxRetries: 0 },
        ),
      ),
    );
    expect(dependency).toMatchObject({ code: 'FUNCTION_FAILED', functionId: 'y', cause: { code: 'NOT_SERIALIZABLE' } });
    expect((await cluster.handoff.execute(dagOf({ id: 'x', code: t.one, node: 'b' }))).results).toEqual({ x: 1 });
  });
});

describe('large values', () => {
  const length = 2 ** 21; // 16 MiB
  const total = (length * (length - 1)) / 2;

  it('go directly from the host that made them to the hosts that use them', async () => {
    const before = received();
    const fetched = record(cluster.handoff, 'result:fetched');
    const { results, allocations } = await cluster.handoff.execute(
      dagOf(
        { id: 'made', code: f.ramp, extraArgs: [length], node: 'b' },
        { id: 'there', code: f.sum, args: ['made'], node: 'c' },
        { id: 'too', code: f.digest, args: ['made'], node: 'c' },
        { id: 'same', code: f.sum, args: ['made'], node: 'b' },
      ),
      { collect: 'sinks' },
    );
    expect(results['there']).toEqual({ total, pid: c(), length });
    expect(results['same']).toEqual({ total, pid: b(), length });
    expect(results['too'][0]).toBe(length);
    expect(results).not.toHaveProperty('made');
    expect(allocations['made']).toBe('b');
    expect(fetched).toEqual([]);
    expect(received() - before).toBeLessThan(2 ** 20);
  });

  it('come to this host once for all functions that use them here', async () => {
    const before = received();
    const { results } = await cluster.handoff.execute(
      dagOf(
        { id: 'made', code: f.ramp, extraArgs: [length], node: 'b' },
        ...[1, 2, 3].map((n) => ({ id: `here${n}`, code: f.sum, args: ['made'], node: 'a' })),
      ),
      { collect: 'sinks' },
    );
    for (const n of [1, 2, 3]) expect(results[`here${n}`]).toEqual({ total, pid: a(), length });
    expect(received() - before).toBeGreaterThan(8 * length);
    expect(received() - before).toBeLessThan(8 * length + 2 ** 21);
  });

  it('of another run go only to the node that takes them', async () => {
    const { runId } = await cluster.handoff.execute(
      dagOf({ id: 'made', code: f.ramp, extraArgs: [length], node: 'b' }),
    );
    const before = received();
    const made = { resultOf: { runId, id: 'made' } };
    const { results } = await cluster.handoff.execute(
      dagOf(
        { id: 'there', code: f.sum, args: [made], node: 'c' },
        { id: 'twice', code: f.sums, args: [made, made], node: 'c' },
        { id: 'here', code: f.sum, args: [made], node: 'a' },
      ),
    );
    expect(results['there']).toEqual({ total, pid: c(), length });
    expect(results['here']).toEqual({ total, pid: a(), length });
    expect(results['twice']).toBe(2 * total);
    expect(received() - before).toBeLessThan(2 ** 20); // it came here at the end of its run
  });

  it('of a run that another host started are found there', async () => {
    const far = dagOf({ id: 'made', code: f.ramp, extraArgs: [length], node: 'b' }, { id: 'small', code: t.one });
    const { runId } = await cluster.hosts[0]!.execute(far);
    const { results } = await cluster.handoff.execute(
      dagOf(
        { id: 'sum', code: f.sum, args: [{ resultOf: { runId, id: 'made' } }], node: 'c' },
        { id: 'next', code: t.increment, args: [{ resultOf: { runId, id: 'small' } }] },
      ),
    );
    expect(results).toEqual({ sum: { total, pid: c(), length }, next: 2 });
    const unknown = dagOf({ id: 'x', code: t.increment, args: [{ resultOf: { runId: 'unknown', id: 'small' } }] });
    expect(await errorOf(cluster.handoff.execute(unknown))).toMatchObject({ code: 'NOT_FOUND', runId: 'unknown' });
  });

  it('go from this host to another', async () => {
    const { results } = await cluster.handoff.execute(
      dagOf(
        { id: 'made', code: f.ramp, extraArgs: [length], node: 'a' },
        { id: 'b', code: f.sum, args: ['made'], node: 'b' },
        { id: 'c', code: f.sum, args: ['made'], node: 'c' },
      ),
      { collect: ['b', 'c'] },
    );
    expect(results).toEqual({ b: { total, pid: b(), length }, c: { total, pid: c(), length } });
  });

  it('are in the results of the run when they are collected', async () => {
    const fetched = record(cluster.handoff, 'result:fetched');
    const { results } = await cluster.handoff.execute(
      dagOf(
        { id: 'made', code: f.ramp, extraArgs: [100_000], node: 'b' },
        { id: 'rows', code: f.rows, extraArgs: [5000], node: 'c' },
        { id: 'used', code: t.collectLengths, args: ['made'], node: 'c' },
      ),
    );
    expect(results['made']).toHaveLength(100_000);
    expect(results['made'][99_999]).toBe(99_999);
    expect(results['rows'][4999]).toEqual({ id: 4999, name: 'row 4999', when: new Date(4999) });
    expect(results['used']).toEqual([100_000]);
    expect(fetched.map(({ functionId, node }) => `${functionId} ${node}`).sort()).toEqual(['made b', 'rows c']);
  });

  it('arrive all when many are needed at once', async () => {
    const many = Array.from({ length: 12 }, (_, i) => ({
      id: `m${i}`,
      code: f.ramp,
      extraArgs: [50_000, i],
      node: i % 2 === 0 ? 'b' : 'c',
    }));
    const args = many.map(({ id }) => id);
    const { results } = await cluster.handoff.execute(
      dagOf(
        ...many,
        { id: 'a', code: f.sums, args, node: 'a' },
        { id: 'b', code: f.sums, args, node: 'b' },
        { id: 'c', code: f.sums, args, node: 'c' },
      ),
      { collect: 'sinks' },
    );
    const all = (12 * (50_000 * 49_999)) / 2 + 50_000 * 66;
    expect(results).toEqual({ a: all, b: all, c: all });
  });

  it('may be literals of several MiB, which every host receives', async () => {
    const bytes = Buffer.alloc(5 * 2 ** 20, 'abcdefg');
    const text = 'x'.repeat(3 * 2 ** 20);
    const make = (node: string): Parameters<typeof dagOf> => [
      { id: `bytes ${node}`, code: f.digest, extraArgs: [bytes], node },
      { id: `text ${node}`, code: f.classes, extraArgs: [text, bytes], node },
      { id: `again ${node}`, code: f.digest, extraArgs: [bytes], node },
    ];
    const { results } = await cluster.handoff.execute(dagOf(...make('a'), ...make('b'), ...make('c')));
    for (const [node, pid] of [
      ['a', a()],
      ['b', b()],
      ['c', c()],
    ]) {
      expect(results[`bytes ${node}`]).toEqual([bytes.length, results['bytes a'][1], pid]);
      expect(results[`again ${node}`]).toEqual(results[`bytes ${node}`]);
      expect(results[`text ${node}`]).toEqual(['string', 'Buffer']);
    }
  });

  it('that are plain and larger than a message are still sent, or refused with a reason', async () => {
    const list = Array.from({ length: 3 * 2 ** 20 }, (_, i) => i + 0.5);
    const { results } = await cluster.handoff.execute(
      dagOf({ id: 'x', code: f.digest, extraArgs: [list], node: 'b' }, { id: 'after', code: t.one, node: 'b' }),
      { maxRetries: 0 },
    );
    expect(results['x'].slice(0, 1)).toEqual([3 * 2 ** 20]);
  });
});

describe('many values', () => {
  it('which together are larger than any message go back and forth', async () => {
    const count = 600;
    const made = Array.from({ length: count }, (_, i) => ({
      id: `m${i}`,
      code: t.bytes,
      extraArgs: [60_000],
      node: 'b',
    }));
    const used = made.map(({ id }, i) => ({ id: `u${i}`, code: f.digest, args: [id], node: i % 2 === 0 ? 'c' : 'b' }));
    const { results } = await cluster.handoff.execute(dagOf(...made, ...used));
    expect(made.every(({ id }) => results[id].length === 60_000)).toBe(true);
    expect(new Set(used.map(({ id }) => results[id][1])).size).toBe(1);
  });

  it('of one function which together are larger than any message reach it', async () => {
    const made = Array.from({ length: 400 }, (_, i) => ({
      id: `m${i}`,
      code: t.bytes,
      extraArgs: [60_000],
      node: i % 2 === 0 ? 'b' : 'a',
    }));
    const { results } = await cluster.handoff.execute(
      dagOf(...made, { id: 'all', code: f.classes, args: made.map(({ id }) => id), node: 'c' }),
      { collect: ['all'], maxRetries: 0 },
    );
    expect(results['all']).toEqual(Array.from({ length: 400 }, () => 'Buffer'));
  });
});

describe('with short messages', () => {
  const transport = { maxFrameBytes: 256 * 1024 };

  it('the results of a batch need not fit into one', async () => {
    const host = await startHost({ nodes: [{ name: 'far', capabilities: { cpu: 1 } }], transport });
    const handoff = await startHere({ join: [host.address], transport });
    for (let round = 0; round < 5; round++) {
      // what is known to be short is sent in larger batches
      const { results } = await handoff.execute(
        dagOf(...Array.from({ length: 200 }, (_, i) => ({ id: `f${i}`, code: t.bytes, extraArgs: [30_000] }))),
        { maxRetries: 0 },
      );
      expect(Object.values(results).every((bytes) => bytes.length === 30_000)).toBe(true);
    }
  });

  it('the arguments of a batch need not fit into one', async () => {
    const host = await startHost({ nodes: [{ name: 'far', capabilities: { cpu: 1 } }], transport });
    const handoff = await startHere({
      nodes: [{ name: 'near', capabilities: { cpu: 1 } }],
      join: [host.address],
      transport,
    });
    for (let round = 0; round < 5; round++) {
      const made = Array.from({ length: 200 }, (_, i) => ({
        id: `m${i}`,
        code: t.bytes,
        extraArgs: [30_000],
        node: 'near',
      }));
      const { results } = await handoff.execute(
        dagOf(...made, ...made.map(({ id }, i) => ({ id: `u${i}`, code: f.classes, args: [id], node: 'far' }))),
        { maxRetries: 0, collect: 'sinks' },
      );
      expect(new Set(Object.values(results).flat())).toEqual(new Set(['Buffer']));
    }
  });

  it('values that are larger than one are sent in parts', async () => {
    const host = await startHost({ nodes: [{ name: 'far', capabilities: { cpu: 1 } }], transport });
    const handoff = await startHere({ join: [host.address], transport });
    const { results } = await handoff.execute(
      dagOf(
        { id: 'x', code: f.rows, extraArgs: [60_000] },
        { id: 'y', code: t.one },
        { id: 'text', code: f.same, extraArgs: ['z'.repeat(500_000)] },
      ),
    );
    expect([results['x'].length, results['y'], results['text'].length]).toEqual([60_000, 1, 500_000]);
  });
});

describe('a host with a memoryBudget', () => {
  const mebibytes4 = 2 ** 19;
  const sumTo = (mebibytes4 * (mebibytes4 - 1)) / 2;
  const filesIn = (folder: string): string[] =>
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ name }) => name);

  it('stays within it with results held for other hosts, which still receive them, and holds none afterwards', async () => {
    const folder = temporary();
    const host = await startHost({
      nodes: [{ name: 'frugal', capabilities: { cpu: 1 } }],
      join: [cluster.hosts[0]!.address],
      env: { TMPDIR: folder },
      options: { memoryBudget: 10 * 2 ** 20 },
    });
    const door = new Folder();
    await until(async () => 'frugal' in (await cluster.handoff.discoverNodes()));
    const made = Array.from({ length: 6 }, (_, i) => ({
      id: `m${i}`,
      code: f.ramp,
      extraArgs: [mebibytes4, i],
      node: 'frugal',
    }));
    const running = cluster.handoff.execute(
      dagOf(
        ...made,
        {
          id: 'door',
          code: f.passDoorWith,
          args: made.map(({ id }) => id),
          layout: [{ value: door.path }, { value: 'door' }],
          node: 'c',
        },
        { id: 'there', code: f.sums, args: made.map(({ id }) => id), node: 'c' },
        { id: 'here', code: f.sums, args: made.map(({ id }) => id), node: 'a' },
      ),
      { collect: ['there', 'here'] },
    );
    await door.arrived(1);
    expect(filesIn(folder).length).toBeGreaterThan(0);
    door.open();
    const all = 6 * sumTo + 15 * mebibytes4;
    expect((await running).results).toEqual({ there: all, here: all });
    await until(() => filesIn(folder).length === 0);
    for (let round = 0; round < 6; round++) {
      const { results } = await cluster.handoff.execute(
        dagOf(
          { id: 'x', code: f.ramp, extraArgs: [mebibytes4], node: 'frugal' },
          { id: 'y', code: f.sum, args: ['x'], node: 'c' },
          { id: 'z', code: f.sum, args: ['x'], node: 'frugal' },
        ),
        { collect: ['y', 'z'] },
      );
      expect([results['y'].total, results['z'].total]).toEqual([sumTo, sumTo]);
    }
    expect(filesIn(folder)).toEqual([]); // what was held for runs that are over would have filled the budget by now
    await host.kill();
  });
});

describe('results', () => {
  it('can be collected by id or as sinks, and the others read later', async () => {
    const dag = (id: string): Dag =>
      new Dag(id)
        .add({ id: 'x', code: f.ramp, extraArgs: [30_000], node: 'b' })
        .add({ id: 'y', code: f.sum, args: ['x'], node: 'c' })
        .add({ id: 'z', code: t.one, node: 'b' });
    expect(Object.keys((await cluster.handoff.execute(dag('sinks'), { collect: 'sinks' })).results)).toEqual([
      'y',
      'z',
    ]);
    const { results } = await cluster.handoff.execute(dag('one'), { collect: ['x'] });
    expect(Object.keys(results)).toEqual(['x']);
    expect(results['x']).toHaveLength(30_000);
  });

  it('can be read during the run from the host that holds them', async () => {
    const folder = new Folder();
    const running = cluster.handoff.execute(
      new Dag('early')
        .add({ id: 'x', code: f.ramp, extraArgs: [30_000], node: 'b' })
        .add({ id: 'door', code: f.passDoor, extraArgs: [folder.path, 'd'], node: 'c' })
        .add({ id: 'y', code: f.sumAfter, args: ['x', 'door'], node: 'c' }),
      { collect: 'sinks' },
    );
    await folder.arrived(1);
    expect(await cluster.handoff.getResult('early', 'x')).toHaveLength(30_000);
    const later = cluster.handoff.getResult('early', 'y');
    folder.open();
    expect(await later).toBe((30_000 * 29_999) / 2);
    await running;
  });

  describe('can be read from hosts other than the orchestrator', () => {
    const asked = async (dagId: string, node: string): Promise<void> =>
      void (await cluster.handoff.execute(
        new Dag(dagId).add({ id: 'x', code: f.ramp, extraArgs: [30_000], node }).add({ id: 'y', code: t.one, node }),
        { collect: 'all' },
      ));

    it('when they were made on the orchestrator', async () => {
      await asked('asked a', 'a');
      expect(await cluster.hosts[1]!.call('getResult', 'asked a', 'y', { timeout: 120_000 })).toBe(1);
      expect(await cluster.hosts[1]!.call('getResult', 'asked a', 'x', { timeout: 120_000 })).toHaveLength(30_000);
    });

    it('when they were made on the requesting host', async () => {
      await asked('asked b', 'b');
      expect(await cluster.hosts[0]!.call('getResult', 'asked b', 'y', { timeout: 120_000 })).toBe(1);
      expect(await cluster.hosts[0]!.call('getResult', 'asked b', 'x', { timeout: 120_000 })).toHaveLength(30_000);
    });

    it('when they were made on a third host', async () => {
      await asked('asked c', 'b');
      expect(await cluster.hosts[1]!.call('getResult', 'asked c', 'y', { timeout: 120_000 })).toBe(1);
      expect(await cluster.hosts[1]!.call('getResult', 'asked c', 'x', { timeout: 120_000 })).toHaveLength(30_000);
    });

    it('even when the request came before the run began', async () => {
      const waiting = cluster.hosts[1]!.call('getResult', 'asked early', 'y', { timeout: 120_000 }).catch(
        (error: unknown) => error,
      );
      // Whoever was asked has said that it is not there.
      await errorOf(cluster.hosts[1]!.call('lookupDataLocation', 'asked early', 'y'));
      await asked('asked early', 'a');
      expect(await waiting).toBe(1);
    });
  });
});

describe('values in the stores of several hosts', () => {
  it('are found on the given node, for that DAG only', async () => {
    await cluster.hosts[0]!.call('storeValue', 'kept', 'x', { on: 'b' });
    await cluster.handoff.registerDataLocation('kept', 'x', 'b');
    expect(await cluster.handoff.lookupDataLocation('kept', 'x')).toBe('b');
    expect(await cluster.handoff.getValue('kept', 'x', { fromNode: 'b' })).toEqual({ on: 'b' });
    expect((await errorOf(cluster.handoff.getValue('other', 'x', { fromNode: 'b' }))).code).toBe('NOT_FOUND');
    expect((await errorOf(cluster.handoff.lookupDataLocation('other', 'x'))).code).toBe('NOT_FOUND');
    expect((await errorOf(cluster.handoff.getResult('other', 'x', { timeout: 50 }))).code).toBe('RESULT_TIMEOUT');
  });

  it('are fetched each time, for that DAG only, and not kept here', async () => {
    await cluster.hosts[0]!.call('storeResult', 'cached', 'x', 'far value');
    expect((await errorOf(cluster.handoff.getLocalValue('cached', 'x'))).code).toBe('NOT_FOUND');
    expect(await cluster.handoff.lookupDataLocation('cached', 'x')).toBe('b');
    expect(await cluster.handoff.getResult('cached', 'x')).toBe('far value');
    await cluster.hosts[0]!.call('storeResult', 'cached', 'x', 'another');
    expect(await cluster.handoff.getResult('cached', 'x')).toBe('another');
    expect((await errorOf(cluster.handoff.getLocalValue('cached', 'x'))).code).toBe('NOT_FOUND');
    expect((await errorOf(cluster.handoff.getResult('cached 2', 'x', { timeout: 100 }))).code).toBe('RESULT_TIMEOUT');
  });

  it('are found by getValue without a node when the registry knows one', async () => {
    await cluster.hosts[0]!.call('storeResult', 'located', 'x', 4);
    expect(await cluster.handoff.getValue('located', 'x')).toBe(4);
  });

  it('may have any size', async () => {
    const values = new Float64Array(300_000).fill(0.5);
    await cluster.hosts[1]!.call('storeValue', 'large', 'x', values);
    expect(await cluster.handoff.getValue('large', 'x', { fromNode: 'c' })).toEqual(values);
  });

  it('with an origin on another node are only noted here', async () => {
    await cluster.handoff.storeResult('noted', 'x', 'not kept', { originNode: 'b' });
    expect(await cluster.handoff.lookupDataLocation('noted', 'x')).toBe('b');
    expect((await errorOf(cluster.handoff.getLocalValue('noted', 'x'))).code).toBe('NOT_FOUND');
    expect((await errorOf(cluster.handoff.getResult('noted', 'x', { timeout: 50 }))).code).toBe('RESULT_TIMEOUT');
    await cluster.hosts[0]!.call('storeValue', 'noted', 'x', 'kept there');
    expect(await cluster.handoff.getResult('noted', 'x')).toBe('kept there');
  });

  it('are waited for, and arrive when they are stored later', async () => {
    const waiting = cluster.handoff.getResult('later', 'x', { timeout: 120_000 });
    await errorOf(cluster.handoff.lookupDataLocation('later', 'x')); // whoever was asked has said that it is not there
    await cluster.hosts[0]!.call('storeResult', 'later', 'x', 'at last');
    expect(await waiting).toBe('at last');
  });

  it('can be located from any host', async () => {
    await cluster.handoff.registerDataLocation('everywhere', 'x', 'c');
    for (const host of cluster.hosts) expect(await host.call('lookupDataLocation', 'everywhere', 'x')).toBe('c');
    expect((await errorOf(cluster.hosts[0]!.call('lookupDataLocation', 'everywhere', 'y'))).code).toBe('NOT_FOUND');
  });

  it('are replaced, and located again, in their DAG only', async () => {
    await cluster.handoff.registerDataLocation('moved', 'x', 'b');
    await cluster.handoff.registerDataLocation('unmoved', 'x', 'b');
    await cluster.handoff.registerDataLocation('moved', 'x', 'c');
    expect([
      await cluster.hosts[0]!.call('lookupDataLocation', 'moved', 'x'),
      await cluster.hosts[0]!.call('lookupDataLocation', 'unmoved', 'x'),
    ]).toEqual(['c', 'b']);
  });

  it('that are missing are NOT_FOUND, and so are missing nodes', async () => {
    expect((await errorOf(cluster.handoff.getValue('kept', 'nope', { fromNode: 'c' }))).code).toBe('NOT_FOUND');
    expect((await errorOf(cluster.handoff.getValue('kept', 'x', { fromNode: 'mars' }))).code).toBe('NOT_FOUND');
  });

  it('are gone from every host after clear, for that DAG only', async () => {
    for (const dagId of ['cleared', 'left']) {
      await cluster.hosts[0]!.call('storeResult', dagId, 'x', 1);
      await cluster.hosts[1]!.call('storeValue', dagId, 'y', 2);
      await cluster.handoff.storeResult(dagId, 'z', 3);
    }
    await cluster.handoff.clear('cleared');
    expect((await errorOf(cluster.hosts[0]!.call('getLocalValue', 'cleared', 'x'))).code).toBe('NOT_FOUND');
    expect((await errorOf(cluster.hosts[1]!.call('getLocalValue', 'cleared', 'y'))).code).toBe('NOT_FOUND');
    expect((await errorOf(cluster.handoff.getLocalValue('cleared', 'z'))).code).toBe('NOT_FOUND');
    for (const host of [cluster.handoff, cluster.hosts[0]!, cluster.hosts[1]!]) {
      const lookup =
        'pid' in host ? host.call('lookupDataLocation', 'cleared', 'x') : host.lookupDataLocation('cleared', 'x');
      expect((await errorOf(lookup)).code).toBe('NOT_FOUND');
    }
    expect([
      await cluster.hosts[0]!.call('getLocalValue', 'left', 'x'),
      await cluster.hosts[1]!.call('getLocalValue', 'left', 'y'),
      await cluster.handoff.getLocalValue('left', 'z'),
    ]).toEqual([1, 2, 3]);
  });
});
