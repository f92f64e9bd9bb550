/** What a user may ask of functions, when they run on another host. */
import { describe, expect, it } from 'vitest';
import { Dag, dag } from '../../../lib/index.ts';
import { c, dagOf, errorOf, t } from '../../support/handoff.ts';
import { next, record, startHost, useCluster } from '../../support/hosts.ts';
import { f, Folder, until } from './folder.ts';

// A busy machine may take long to begin a function, and to deliver a signal.
const options = { gracePeriod: 1500 };
const timeout = 3000;
const cluster = useCluster(
  { nodes: [{ name: 'a', capabilities: { cpu: 2 }, threads: 2 }], options },
  { nodes: [{ name: 'b', capabilities: { cpu: 2, gpu: 1 }, threads: 2 }], options },
  { nodes: [{ name: 'c', capabilities: { cpu: 2 }, threads: 2 }], options },
);
const b = (): number => cluster.hosts[0]!.pid;

describe('retries', () => {
  it('go to another host first', async () => {
    const { results, stats } = await cluster.handoff.execute(dagOf({ id: 'x', code: f.notOn, extraArgs: ['a'] }), {
      maxRetries: 1,
    });
    expect(['b', 'c']).toContain(results['x'][0]);
    expect(results['x'][1]).toBe(2);
    expect(stats.retries).toBe(1);
  });

  it('of pinned functions stay on their host', async () => {
    const error = await errorOf(
      cluster.handoff.execute(dagOf({ id: 'x', code: f.notOn, extraArgs: ['b'], node: 'b' }), { maxRetries: 2 }),
    );
    expect(error).toMatchObject({ code: 'FUNCTION_FAILED', node: 'b', attempts: 3, cause: { message: 'not on b' } });
  });

  it('are reported, with the node and the error of each', async () => {
    const events = record(cluster.handoff, 'function:retrying');
    await cluster.handoff.execute(new Dag('told').add({ id: 'x', code: c.failFirst, node: 'b' }), { maxRetries: 1 });
    expect(events.filter(({ dagId }) => dagId === 'told')).toMatchObject([
      { functionId: 'x', node: 'b', attempt: 1, error: { message: 'first' } },
    ]);
  });

  it('follow a predicate, which judges an error of another host', async () => {
    const error = await errorOf(
      cluster.handoff.execute(dagOf({ id: 'x', code: t.boom, node: 'b', maxRetries: 5, retryIf: t.secondAttemptOnly })),
    );
    expect(error).toMatchObject({ code: 'FUNCTION_FAILED', attempts: 2 });
  });
});

describe('a function on another host', () => {
  it('is aborted through its signal, and the run ends', async () => {
    const folder = new Folder();
    const controller = new AbortController();
    const run = errorOf(
      cluster.handoff.execute(
        dagOf(
          { id: 'x', code: f.passDoor, extraArgs: [folder.path, 'x'], node: 'b' },
          { id: 'y', code: f.passDoor, extraArgs: [folder.path, 'y'], node: 'c' },
        ),
        { signal: controller.signal },
      ),
    );
    await folder.arrived(2);
    controller.abort();
    expect((await run).code).toBe('ABORTED');
    expect(
      folder.lines
        .filter(([sign]) => sign === '!')
        .map((line) => line.join(' '))
        .sort(),
    ).toEqual(['! x ABORTED', '! y ABORTED']);
  });

  it('is cancelled alone, and the rest of its run goes on', async () => {
    const folder = new Folder();
    const run = errorOf(
      cluster.handoff.execute(
        dagOf(
          { id: 'x', code: f.passDoor, extraArgs: [folder.path, 'x'], node: 'b' },
          { id: 'y', code: t.one, node: 'c' },
        ),
        { failurePolicy: 'continue', runId: 'cancels-one' },
      ),
    );
    await folder.arrived(1);
    expect(await cluster.handoff.cancelFunction('cancels-one', 'x')).toBe(true);
    expect(await run).toMatchObject({ code: 'ABORTED', functionId: 'x', results: { y: 1 } });
    expect(folder.lines.filter(([sign]) => sign === '!')).toEqual([['!', 'x', 'ABORTED']]);
    const { results } = await cluster.handoff.execute(dagOf({ id: 'z', code: t.one, node: 'b' }));
    expect(results['z']).toBe(1);
  });

  it('that ignores its signal is ended with its thread, and the host goes on', async () => {
    const folder = new Folder();
    const controller = new AbortController();
    const run = errorOf(
      cluster.handoff.execute(
        dagOf({ id: 'x', code: f.hang, extraArgs: [folder.path, 'x'], node: 'b', cost: { gpu: 1 } }),
        { signal: controller.signal },
      ),
    );
    await folder.arrived(1);
    controller.abort();
    expect((await run).code).toBe('ABORTED');
    expect(
      (await cluster.handoff.execute(dagOf({ id: 'y', code: f.pid, node: 'b', cost: { gpu: 1 } }))).results,
    ).toEqual({ y: b() });
  });

  it('ends when a sibling failed', async () => {
    const folder = new Folder();
    const run = errorOf(
      cluster.handoff.execute(
        dagOf(
          { id: 'x', code: f.passDoor, extraArgs: [folder.path, 'x'], node: 'b' },
          { id: 'y', code: f.passDoor, extraArgs: [folder.path, 'y'], node: 'c' },
          { id: 'bad', code: t.boom, args: ['y'], node: 'c', maxRetries: 0 },
        ),
      ),
    );
    await folder.arrived(2);
    folder.open('y');
    expect(await run).toMatchObject({ code: 'FUNCTION_FAILED', functionId: 'bad' });
    expect(folder.lines.map(([sign, name]) => `${sign} ${name}`)).toContain('! x');
  });

  it('is ended by its timeout, also one that never yields', async () => {
    const folder = new Folder();
    const gentle = await errorOf(
      cluster.handoff.execute(
        dagOf({ id: 'x', code: f.passDoor, extraArgs: [folder.path, 'x'], node: 'b', timeout, maxRetries: 0 }),
      ),
    );
    expect(gentle).toMatchObject({
      code: 'FUNCTION_FAILED',
      node: 'b',
      cause: { code: 'FUNCTION_TIMEOUT', timeout },
    });
    expect(folder.lines.map((line) => line.join(' '))).toContain('! x FUNCTION_TIMEOUT');
    const deaf = await errorOf(
      cluster.handoff.execute(
        dagOf({ id: 'x', code: f.hang, extraArgs: [folder.path, 'deaf'], node: 'b', timeout, maxRetries: 1 }),
      ),
    );
    expect(deaf).toMatchObject({ code: 'FUNCTION_FAILED', attempts: 2, cause: { code: 'FUNCTION_TIMEOUT' } });
    expect(folder.calls('deaf')).toBe(2);
    expect((await cluster.handoff.execute(dagOf({ id: 'y', code: t.one, node: 'b' }))).results).toEqual({ y: 1 });
  });

  it('ends with the timeout of its run', async () => {
    const folder = new Folder();
    const error = await errorOf(
      cluster.handoff.execute(dagOf({ id: 'x', code: f.passDoor, extraArgs: [folder.path, 'x'], node: 'b' }), {
        timeout: 300,
      }),
    );
    expect(error).toMatchObject({ code: 'RUN_TIMEOUT', timeout: 300 });
    expect((await cluster.handoff.execute(dagOf({ id: 'y', code: t.one, node: 'b' }))).results).toEqual({ y: 1 });
  });

  it('knows its node, its run and its attempt', async () => {
    const { runId, results } = await cluster.handoff.execute(
      new Dag('who').add({ id: 'x', code: c.whoAmI, node: 'b' }),
    );
    expect(results['x']).toEqual({ attempt: 1, runId, dagId: 'who', functionId: 'x', node: 'b', aborted: false });
  });

  it('whose thread ends is retried elsewhere, and its neighbours are unharmed', async () => {
    const folder = new Folder();
    const neighbour = cluster.handoff.execute(
      dagOf({ id: 'n', code: f.passDoor, extraArgs: [folder.path, 'n', 'unharmed'], node: 'b' }),
    );
    await folder.arrived(1);
    for (const how of ['exit', 'uncaught'] as const) {
      const crashed = next(cluster.handoff, 'worker:crashed');
      const { results } = await cluster.handoff
        .execute(dagOf({ id: 'x', code: f.diesOn, extraArgs: ['b', how], cost: { gpu: 0.5 }, maxRetries: 3 }))
        .catch((error: unknown) => ({ results: { x: error } as Record<string, any> }));
      expect(results['x']).toMatchObject({
        code: 'FUNCTION_FAILED',
        attempts: 4,
        cause: { code: 'WORKER_CRASHED', reason: how },
      });
      expect(await crashed).toMatchObject({ node: 'b', reason: how });
    }
    folder.open();
    expect((await neighbour).results).toEqual({ n: 'unharmed' });
    expect(folder.calls('n')).toBe(1);
  });

  it('whose thread ends by process.exit says with which code', async () => {
    const error = await errorOf(
      cluster.handoff.execute(dagOf({ id: 'x', code: t.exit, extraArgs: [9], node: 'b', maxRetries: 0 })),
    );
    expect(error).toMatchObject({
      code: 'FUNCTION_FAILED',
      node: 'b',
      cause: { code: 'WORKER_CRASHED', reason: 'exit', exitCode: 9 },
    });
  });

  it('whose thread ends on one host succeeds on another', async () => {
    const { results } = await cluster.handoff.execute(
      dagOf(
        { id: 'x', code: f.diesOn, extraArgs: ['a', 'exit'] },
        { id: 'y', code: f.diesOn, extraArgs: ['b', 'uncaught'], cost: { cpu: 2 } },
      ),
    );
    expect(['b', 'c']).toContain(results['x']);
    expect(['a', 'c']).toContain(results['y']);
  });

  it('that takes all memory of its node ends with its thread alone', async () => {
    const host = await startHost({
      nodes: [{ name: 'small', capabilities: { cpu: 1, memory: 64 } }],
      join: [cluster.hosts[0]!.address],
    });
    await until(async () => 'small' in (await cluster.handoff.discoverNodes()));
    const error = await errorOf(
      cluster.handoff.execute(dagOf({ id: 'x', code: t.hoard, node: 'small', maxRetries: 0 })),
    );
    expect(error).toMatchObject({
      code: 'FUNCTION_FAILED',
      node: 'small',
      cause: { code: 'WORKER_CRASHED', reason: 'out-of-memory' },
    });
    expect((await cluster.handoff.execute(dagOf({ id: 'x', code: f.pid, node: 'small' }))).results).toEqual({
      x: host.pid,
    });
  });

  it('on a node that its host removes runs elsewhere, and those on its other nodes are unharmed', async () => {
    const host = await startHost({
      nodes: ['d', 'e'].map((name) => ({ name, capabilities: { cpu: 1, tpu: 1 } })),
      join: [cluster.hosts[0]!.address],
    });
    await until(async () => 'e' in (await cluster.handoff.discoverNodes()));
    const folder = new Folder();
    const running = cluster.handoff.execute(
      dagOf(
        { id: 'x', code: f.passDoor, extraArgs: [folder.path, 'x', 1], cost: { tpu: 0.5 }, maxRetries: 0 },
        { id: 'y', code: f.passDoor, extraArgs: [folder.path, 'y', 2], node: 'e' },
      ),
    );
    await folder.arrived(2);
    expect(folder.lines.map(([, name, node]) => `${name} ${node}`).sort()).toEqual(['x d', 'y e']);
    await host.call('removeNode', 'd');
    folder.open('y');
    await folder.arrived(3);
    folder.open();
    const { results, allocations } = await running;
    expect(results).toEqual({ x: 1, y: 2 });
    expect(allocations).toEqual({ x: 'e', y: 'e' });
    expect(folder.calls('y')).toBe(1);
  });

  it('affects only its own thread: crashes of many lose no others', async () => {
    const many = Array.from({ length: 40 }, (_, i) => ({
      id: `f${i}`,
      code: i % 8 === 3 ? f.diesOn : f.where,
      extraArgs: i % 8 === 3 ? ['b', 'exit'] : [],
      maxRetries: 9,
    }));
    const { results } = await cluster.handoff.execute(dagOf(...many));
    expect(Object.keys(results)).toHaveLength(40);
    for (const [id, where] of Object.entries(results))
      expect(Number(id.slice(1)) % 8 === 3 ? ['a', 'c'] : ['a', 'b', 'c']).toContain(where);
  });
});

describe('events of functions on another host', () => {
  it('are reported here: started, finished, and what they log', async () => {
    const events = record(
      cluster.handoff,
      'function:started',
      'function:finished',
      'function:log',
      'function:progress',
      'function:retrying',
    );
    const { results } = await cluster.handoff.execute(
      new Dag('seen')
        .add({ id: 'x', code: f.said, extraArgs: [{ n: 1 }], node: 'b', maxRetries: 1 })
        .add({ id: 'y', code: t.one, args: [], node: 'c' }),
    );
    expect(results['x']).toBe(2);
    const of = (type: string, functionId: string): any[] =>
      events.filter((event) => event.type === type && event.functionId === functionId && event.dagId === 'seen');
    expect(of('function:started', 'x')).toMatchObject([
      { node: 'b', attempt: 1 },
      { node: 'b', attempt: 2 },
    ]);
    expect(of('function:finished', 'x')).toMatchObject([{ node: 'b', attempt: 2 }]);
    expect(of('function:finished', 'y')).toMatchObject([{ node: 'c', attempt: 1 }]);
    expect(of('function:log', 'x')).toMatchObject([
      { node: 'b', attempt: 1, values: ['hello', 1, { n: 1 }] },
      { node: 'b', attempt: 2, values: ['hello', 2, { n: 1 }] },
    ]);
    expect(of('function:progress', 'x')).toMatchObject([
      { node: 'b', attempt: 1, fraction: 0.5, note: 'attempt 1' },
      { node: 'b', attempt: 2, fraction: 0.5, note: 'attempt 2' },
    ]);
    expect(of('function:finished', 'y')[0].durationMs).toBeGreaterThanOrEqual(0);
  });

  it('are reported while it runs, not only when it has ended', async () => {
    const folder = new Folder();
    const started = next(cluster.handoff, 'function:started', ({ functionId }) => functionId === 'slow');
    const run = cluster.handoff.execute(
      dagOf({ id: 'slow', code: f.passDoor, extraArgs: [folder.path, 'x'], node: 'b' }),
    );
    expect(await started).toMatchObject({ node: 'b', attempt: 1 });
    expect(folder.lines.filter(([sign]) => sign === '-')).toEqual([]);
    folder.open();
    await run;
  });

  it('are reported to the executing host, and to no other', async () => {
    const [hostB] = cluster.hosts;
    await hostB!.watch('function:log', 'function:started', 'function:finished', 'run:started');
    await cluster.handoff.execute(new Dag('mine').add({ id: 'x', code: c.logs, node: 'b' }));
    const own = record(cluster.handoff, 'function:log', 'function:started', 'run:started');
    await hostB!.execute(
      new Dag('theirs').add({ id: 'x', code: c.logs, node: 'b' }).add({ id: 'y', code: c.logs, node: 'a' }),
    );
    expect(hostB!.events.filter((event) => 'dagId' in event && event.dagId === 'mine')).toEqual([]);
    expect(own.filter(({ dagId }) => dagId === 'theirs')).toEqual([]);
    expect(
      hostB!.events
        .filter(({ type }) => type === 'function:log')
        .map((event: any) => event.functionId)
        .sort(),
    ).toEqual(['x', 'y']);
  });

  it('carry values that can be sent, and text for others', async () => {
    const logged = next(cluster.handoff, 'function:log', ({ dagId }) => dagId === 'text');
    await cluster.handoff.execute(new Dag('text').add({ id: 'x', code: c.logs, node: 'b' }));
    expect((await logged).values.slice(0, 2)).toEqual(['hello', { n: 1 }]);
    expect(typeof (await logged).values[2]).toBe('string');
  });
});

describe('placement over hosts', () => {
  it('keeps collocated functions on the host of the first', async () => {
    const { allocations } = await cluster.handoff.execute(
      dagOf(
        { id: 'root', code: t.one, node: 'c' },
        { id: 'x', code: t.increment, args: ['root'], node: { collocatedWith: 'root' } },
        { id: 'y', code: t.increment, args: ['x'], node: { collocatedWith: 'x' } },
        { id: 'gpu', code: t.one, cost: { gpu: 1 } },
        { id: 'beside', code: t.one, node: { collocatedWith: 'gpu' } },
      ),
    );
    expect(allocations).toEqual({ root: 'c', x: 'c', y: 'c', gpu: 'b', beside: 'b' });
  });

  it('spreads by load when asked to', async () => {
    const folder = new Folder();
    const run = cluster.handoff.execute(
      dagOf(
        ...Array.from({ length: 6 }, (_, i) => ({
          id: `f${i}`,
          code: f.passDoor,
          extraArgs: [folder.path, `${i}`],
          cost: { cpu: 1 },
        })),
      ),
      { allocationStrategy: 'load-balanced' },
    );
    await folder.arrived(6);
    expect(folder.lines.map(([, , node]) => node).sort()).toEqual(['a', 'a', 'b', 'b', 'c', 'c']);
    folder.open();
    await run;
  });

  it('takes a custom allocator, which sees the nodes of all hosts', async () => {
    let seen: readonly string[] = [];
    const { allocations } = await cluster.handoff.execute(
      dagOf({ id: 'x', code: t.one }, { id: 'y', code: t.one, args: [] }),
      {
        allocationStrategy: {
          allocate: (functions: any, nodes: any) => {
            seen = Object.keys(nodes);
            return Object.fromEntries([...functions].map((each: any) => [each.id, each.id === 'x' ? 'c' : 'b']));
          },
        } as never,
      },
    );
    expect([...seen].sort()).toEqual(['a', 'b', 'c']);
    expect(allocations).toEqual({ x: 'c', y: 'b' });
  });

  it('has no more functions in flight than maxConcurrency, on all hosts together', async () => {
    const folder = new Folder();
    await cluster.handoff.execute(
      dagOf(
        ...Array.from({ length: 9 }, (_, i) => ({
          id: `f${i}`,
          code: f.hold,
          extraArgs: [folder.path, `${i}`, 10],
          node: ['a', 'b', 'c'][i % 3]!,
        })),
      ),
      { maxConcurrency: 2 },
    );
    expect(folder.names).toHaveLength(9);
    expect(folder.most).toBeLessThanOrEqual(2);
  });

  it('starts functions of higher priority first, also on another host', async () => {
    const folder = new Folder();
    await cluster.handoff.execute(
      dagOf(
        ...[1, 5, 3, 9, 7].map((priority) => ({
          id: `p${priority}`,
          code: f.noted,
          extraArgs: [folder.path, `${priority}`, 1],
          node: 'b',
          priority,
          cost: { gpu: 1 },
        })),
      ),
    );
    expect(folder.names).toEqual(['9', '7', '5', '3', '1']);
  });

  it('stays on this host with executeLocal, whatever pins and costs say', async () => {
    const { results, allocations } = await cluster.handoff.executeLocal(
      dagOf(
        { id: 'x', code: f.pid, node: 'b' },
        { id: 'y', code: f.pid, cost: { gpu: 1 } },
        ...Array.from({ length: 20 }, (_, i) => ({ id: `f${i}`, code: f.pid })),
      ),
    );
    expect(new Set(Object.values(results))).toEqual(new Set([process.pid]));
    expect(new Set(Object.values(allocations))).toEqual(new Set(['a']));
  });

  it('is planned across all of them', async () => {
    const { allocations } = await cluster.handoff.plan(
      dagOf({ id: 'x', code: t.one, node: 'b' }, { id: 'y', code: t.one, node: 'c' }),
    );
    expect(allocations).toEqual({ x: 'b', y: 'c' });
  });

  it('explains what a function on another host waits for', async () => {
    const folder = new Folder();
    const run = cluster.handoff.execute(
      new Dag('explained')
        .add({ id: 'x', code: f.passDoor, extraArgs: [folder.path, 'x'], node: 'b', cost: { gpu: 1 }, priority: 1 })
        .add({ id: 'y', code: t.one, node: 'b', cost: { gpu: 1 } }),
    );
    await folder.arrived(1);
    expect(cluster.handoff.explain('explained', 'x')).toBeDefined();
    // The other host refuses it first.
    await until(() => cluster.handoff.explain('explained', 'y').text.includes('gpu'));
    folder.open();
    await run;
  });

  it('uses a node that a host registers later, with its current capabilities, and no removed one', async () => {
    const host = await startHost({ join: [cluster.hosts[0]!.address] });
    const up = next(cluster.handoff, 'node:up', ({ node }) => node === 'late');
    await host.call('registerNode', 'late', { cpu: 1, tpu: 1 });
    expect(await up).toMatchObject({ capabilities: { cpu: 1, tpu: 1 } });
    expect((await cluster.handoff.execute(dagOf({ id: 'x', code: f.pid, cost: { tpu: 1 } }))).results).toEqual({
      x: host.pid,
    });
    const changed = next(cluster.handoff, 'node:capabilities-changed', ({ node }) => node === 'late');
    await host.call('registerNode', 'late', { cpu: 1, tpu: 3 });
    expect(await changed).toMatchObject({ capabilities: { tpu: 3 } });
    expect((await cluster.handoff.execute(dagOf({ id: 'x', code: t.one, cost: { tpu: 3 } }))).allocations).toEqual({
      x: 'late',
    });
    await host.call('registerNode', 'late', { cpu: 2, tpu: 3 });
    const folder = new Folder();
    const both = cluster.handoff.execute(
      dagOf(
        ...['x', 'y'].map((id) => ({
          id,
          code: f.passDoor,
          extraArgs: [folder.path, id],
          node: 'late',
          cost: { cpu: 1 },
        })),
      ),
    );
    await folder.arrived(2); // in threads of its own, each
    folder.open();
    await both;
    const down = next(cluster.handoff, 'node:down', ({ node }) => node === 'late');
    await host.call('removeNode', 'late');
    await down;
    expect(await errorOf(cluster.handoff.execute(dagOf({ id: 'x', code: t.one, cost: { tpu: 1 } })))).toMatchObject({
      code: 'ALLOCATION_ERROR',
    });
  });
});

describe('DAGs of calls', () => {
  it('run over several hosts as over one', async () => {
    const numbers = f.ramp(20_000).with({ node: 'b' });
    const sums = dag('calls', {
      far: f.sum(numbers).with({ node: 'c' }),
      near: f.sum(numbers).with({ node: 'a' }),
      last: t.increment(t.one().with({ node: 'b' })),
    });
    const { far, near, last } = await cluster.handoff.run(sums);
    expect([far.total, near.total]).toEqual([(20_000 * 19_999) / 2, (20_000 * 19_999) / 2]);
    expect([far.pid, near.pid]).toEqual([cluster.hosts[1]!.pid, process.pid]);
    expect(last).toBe(2);
  });
});

describe('many functions', () => {
  it('give the same results on three hosts as on one', async () => {
    const layers = 12;
    const width = 25;
    const all = Array.from({ length: layers * width }, (_, k) => {
      const layer = Math.floor(k / width);
      const args = layer === 0 ? [] : [0, 7, 13].map((shift) => `f${(layer - 1) * width + ((k + shift) % width)}`);
      return {
        id: `f${k}`,
        code: t.combine,
        args,
        layout: [{ value: `f${k}` }, ...Array.from(args.keys(), (arg) => ({ arg }))],
        ...(k % 3 !== 0 && { node: ['a', 'b', 'c'][(k % 9) % 3]! }),
      };
    });
    const spread = await cluster.handoff.execute(dagOf(...all));
    const local = await cluster.handoff.executeLocal(dagOf(...all));
    expect(spread.results).toEqual(local.results);
    expect(Object.keys(spread.stats.nodes).sort()).toEqual(['a', 'b', 'c']);
  });
});
