/** Hosts that die, fall silent, come back, and leave while they are needed. */
import { describe, expect, it } from 'vitest';
import { Dag, type Handoff } from '../../../lib/index.ts';
import { c, dagOf, errorOf, t } from '../../support/handoff.ts';
import { type HostOptions, type HostProcess, next, record, startHere, startHost } from '../../support/hosts.ts';
import { f, Folder, until } from './folder.ts';

const length = 30_000;
const total = (length * (length - 1)) / 2;

interface Three {
  readonly handoff: Handoff;
  readonly b: HostProcess;
  readonly c: HostProcess;
}

/**
 * This host has node a; b and c are others', each with a gpu, b tried first.
 *
 * @param threads of each node
 */
async function three(
  here: HostOptions['transport'] = {},
  there: HostOptions['transport'] = {},
  threads = 1,
): Promise<Three> {
  const hostB = await startHost({
    nodes: [{ name: 'b', capabilities: { cpu: 2, gpu: 1 }, threads }],
    transport: there,
  });
  const handoff = await startHere({
    nodes: [{ name: 'a', capabilities: { cpu: 2 }, threads }],
    join: [hostB.address],
    transport: { ...here, port: 0 },
  });
  const hostC = await startHost({
    nodes: [{ name: 'c', capabilities: { cpu: 2, gpu: 1 }, threads }],
    join: [hostB.address],
    transport: there,
  });
  if (!('c' in (await handoff.discoverNodes()))) await next(handoff, 'node:up', ({ node }) => node === 'c');
  return { handoff, b: hostB, c: hostC };
}

const portOf = ({ address }: HostProcess): number => Number(address.split(':').at(-1));

describe('a host that is killed during a run', () => {
  it('costs no result: each one is correct and arrives once', async () => {
    const { handoff, b } = await three({}, {}, 2);
    const layers = 10;
    const width = 30;
    const all = Array.from({ length: layers * width }, (_, k) => {
      const layer = Math.floor(k / width);
      const args = layer === 0 ? [] : [0, 7, 13].map((shift) => `f${(layer - 1) * width + ((k + shift) % width)}`);
      return {
        id: `f${k}`,
        code: t.churn,
        args,
        layout: [{ value: k }, { value: 2 }, { value: k % 5 === 0 }, ...Array.from(args.keys(), (arg) => ({ arg }))],
      };
    });
    const expected = (await handoff.executeLocal(dagOf(...all))).results;
    const down = next(handoff, 'node:down');
    const far = record(handoff, 'function:finished');
    const running = handoff.execute(dagOf(...all));
    await until(() => far.filter(({ node }) => node === 'b').length >= 5);
    await b.kill();
    expect(await down).toMatchObject({ node: 'b', error: { code: 'NODE_DOWN' } });
    const { results } = await running;
    expect(results).toEqual(expected);
  });

  it('costs its functions no attempt: they run elsewhere', async () => {
    const { handoff, b } = await three();
    const folder = new Folder();
    const running = handoff.execute(
      dagOf({ id: 'x', code: f.passDoor, extraArgs: [folder.path, 'x', 'value'], cost: { gpu: 1 }, maxRetries: 0 }),
    );
    await folder.arrived(1);
    await b.kill();
    await folder.arrived(2);
    folder.open();
    const { results, allocations, stats } = await running;
    expect(results).toEqual({ x: 'value' });
    expect(allocations).toEqual({ x: 'c' });
    expect(stats.retries).toBe(0);
    expect(folder.lines.filter(([sign]) => sign === '+').map(([, , node]) => node)).toEqual(['b', 'c']);
  });

  it('fails functions that only it could run, with NODE_DOWN', async () => {
    const { handoff, b } = await three({ reconnectTimeout: 0 });
    const folder = new Folder();
    const running = errorOf(
      handoff.execute(dagOf({ id: 'x', code: f.passDoor, extraArgs: [folder.path, 'x'], node: 'b' })),
    );
    await folder.arrived(1);
    await b.kill();
    expect(await running).toMatchObject({ code: 'NODE_DOWN', functionId: 'x', node: 'b' });
  });

  it('has only those results recomputed that are still needed', async () => {
    const { handoff, b } = await three();
    const folder = new Folder();
    const events = record(handoff, 'result:lost', 'result:recomputing');
    const running = handoff.execute(
      new Dag('lost')
        .add({ id: 'base', code: f.notedRamp, extraArgs: [folder.path, 'base', length], cost: { gpu: 1 } })
        .add({
          id: 'needed',
          code: f.notedRampAfter,
          args: ['base'],
          extraArgs: [folder.path, 'needed', length],
          cost: { gpu: 1 },
        })
        .add({
          id: 'used',
          code: f.notedRampAfter,
          args: ['needed'],
          extraArgs: [folder.path, 'used', length],
          cost: { gpu: 1 },
        })
        .add({ id: 'user', code: f.sum, args: ['used'], cost: { gpu: 1 } })
        .add({
          id: 'door',
          code: f.passDoorWith,
          args: ['user'],
          layout: [{ value: folder.path }, { value: 'door' }],
          node: 'a',
        })
        .add({ id: 'last', code: f.sumAfter, args: ['needed', 'door'], node: 'a' }),
      { collect: ['last', 'user'] },
    );
    await until(() => folder.calls('door') === 1);
    const placed = Object.fromEntries(folder.lines.map(([, name, node]) => [name, node]));
    expect(placed).toMatchObject({ base: 'b', needed: 'b', used: 'b' });
    const down = next(handoff, 'node:down');
    await b.kill();
    await down;
    folder.open();
    const { results } = await running;
    expect(results['last']).toBe(total);
    expect(results['user'].total).toBe(total);
    expect(['base', 'needed', 'used', 'door'].map((name) => folder.calls(name))).toEqual([2, 2, 1, 1]);
    expect(events.map(({ type, functionId }) => `${type} ${functionId}`)).toEqual(
      expect.arrayContaining(['result:lost needed', 'result:recomputing needed', 'result:recomputing base']),
    );
  });

  it('has its result recomputed when it dies during the transfer', async () => {
    const { handoff, b, c: hostC } = await three();
    const big = 2 ** 22; // 32 MiB
    const folder = new Folder();
    const running = handoff.execute(
      dagOf(
        { id: 'made', code: f.notedRamp, extraArgs: [folder.path, 'made', big], cost: { gpu: 1 } },
        { id: 'there', code: f.sum, args: ['made'], node: 'c' },
        { id: 'here', code: f.sum, args: ['made'], node: 'a' },
      ),
      { collect: 'sinks' },
    );
    await next(handoff, 'function:finished', ({ functionId }) => functionId === 'made');
    await b.kill();
    const { results } = await running;
    expect(results['there']).toEqual({ total: (big * (big - 1)) / 2, pid: hostC.pid, length: big });
    expect(results['here'].total).toBe((big * (big - 1)) / 2);
    expect(folder.calls('made')).toBeLessThanOrEqual(2);
  });

  it('has collected results recomputed, and their inputs where needed', async () => {
    const { handoff, b } = await three();
    const folder = new Folder();
    const running = handoff.execute(
      dagOf(
        { id: 'x', code: f.notedRamp, extraArgs: [folder.path, 'x', length], cost: { gpu: 1 } },
        { id: 'door', code: f.passDoor, extraArgs: [folder.path, 'door'], node: 'a' },
      ),
    );
    await folder.arrived(2);
    await b.kill();
    folder.open();
    expect((await running).results['x']).toHaveLength(length);
  });

  it('leaves getResult of its results to RESULT_TIMEOUT, and does not affect others', async () => {
    const { handoff, b } = await three();
    await b.call('storeResult', 'gone', 'x', 1);
    await handoff.storeResult('gone', 'y', 2);
    const down = next(handoff, 'node:down');
    await b.kill();
    await down;
    expect((await errorOf(handoff.getResult('gone', 'x', { timeout: 50 }))).code).toBe('RESULT_TIMEOUT');
    expect((await errorOf(handoff.getValue('gone', 'x', { fromNode: 'b' }))).code).toBe('NOT_FOUND');
    expect(await handoff.getResult('gone', 'y')).toBe(2);
  });

  it('together with another leaves all work to the last host', async () => {
    const { handoff, b, c: hostC } = await three({}, {}, 2);
    const folder = new Folder();
    const all = Array.from({ length: 60 }, (_, i) => ({
      id: `f${i}`,
      code: f.hold,
      args: i < 10 ? [] : [`f${i - 10}`],
      layout: [{ value: folder.path }, { value: `f${i}` }, { value: 10 }, ...(i < 10 ? [] : [{ arg: 0 }])],
    }));
    const running = handoff.execute(dagOf(...all));
    await until(
      () => folder.lines.some(([, , node]) => node === 'b') && folder.lines.some(([, , node]) => node === 'c'),
    );
    await Promise.all([b.kill(), hostC.kill()]);
    const { results } = await running;
    expect(Object.values(results)).toEqual(all.map((_, i) => Math.floor(i / 10) + 1));
  });

  it('ends a run that has no node left', async () => {
    const host = await startHost({ nodes: [{ name: 'only', capabilities: { cpu: 1 } }] });
    const handoff = await startHere({ join: [host.address], transport: { reconnectTimeout: 500 } });
    const folder = new Folder();
    const running = errorOf(handoff.execute(dagOf({ id: 'x', code: f.passDoor, extraArgs: [folder.path, 'x'] })));
    await folder.arrived(1);
    await host.kill();
    expect((await running).code).toBe('NODE_DOWN');
  });
});

describe('a host that falls silent', () => {
  // Only who waits is quick to give up.
  const quick = { heartbeatInterval: 100, heartbeatTimeout: 3000 };

  it('is declared lost, its functions run elsewhere, its late answers are dropped, and it comes back', async () => {
    const { handoff, b } = await three(quick, { heartbeatInterval: 100 });
    const folder = new Folder();
    const finished = record(handoff, 'function:finished');
    const down = next(handoff, 'node:down', ({ node }) => node === 'b');
    const running = handoff.execute(
      new Dag('silent')
        .add({ id: 'x', code: f.passDoor, extraArgs: [folder.path, 'x', 'value'], cost: { gpu: 1 } })
        .add({ id: 'wait', code: f.passDoor, args: [], extraArgs: [folder.path, 'wait'], node: 'a' })
        .add({ id: 'later', code: f.same, args: ['wait'], cost: { gpu: 1 } }),
    );
    await folder.arrived(2);
    expect(folder.lines.find(([, name]) => name === 'x')![2]).toBe('b');
    b.signal('SIGSTOP');
    expect((await down).error).toMatchObject({ code: 'NODE_DOWN' });
    await folder.arrived(3);
    folder.open('x'); // for the one on c; that on b finds it open when it goes on
    await until(() => finished.some(({ functionId }) => functionId === 'x'));
    const up = next(handoff, 'node:up', ({ node }) => node === 'b');
    b.signal('SIGCONT');
    await up;
    folder.open();
    const { results, allocations } = await running;
    expect(results['x']).toBe('value');
    expect(allocations['x']).toBe('c');
    expect(finished.filter(({ functionId }) => functionId === 'x').map(({ node }) => node)).toEqual(['c']);
    const { results: again } = await handoff.execute(
      dagOf(
        { id: 'r', code: f.ramp, extraArgs: [length], node: 'b' },
        { id: 's', code: f.sum, args: ['r'], node: 'c' },
        { id: 'u', code: f.sum, args: ['r'], node: 'a' },
      ),
      { collect: 'sinks' },
    );
    expect([again['s'].total, again['u'].total]).toEqual([total, total]);
  });

  it('and returns during the run has its earlier work aborted, and no result counts twice', async () => {
    const { handoff, b } = await three(quick, { heartbeatInterval: 100 }, 2);
    const folder = new Folder();
    const down = next(handoff, 'node:down', ({ node }) => node === 'b');
    const running = handoff.execute(
      dagOf(
        ...Array.from({ length: 6 }, (_, i) => ({
          id: `f${i}`,
          code: f.passDoor,
          extraArgs: [folder.path, `f${i}`, i],
        })),
      ),
    );
    await folder.arrived(6);
    const onB = folder.lines.filter(([, , node]) => node === 'b').map(([, name]) => name!);
    b.signal('SIGSTOP');
    await down;
    const up = next(handoff, 'node:up', ({ node }) => node === 'b');
    b.signal('SIGCONT');
    await up;
    await until(() =>
      onB.every(
        (name) => folder.calls(name) >= 2 && folder.lines.some(([sign, each]) => sign === '!' && each === name),
      ),
    );
    folder.open();
    expect((await running).results).toEqual({ f0: 0, f1: 1, f2: 2, f3: 3, f4: 4, f5: 5 });
  });

  it('for less than the time limit is not lost', async () => {
    const { handoff, b } = await three(
      { heartbeatInterval: 100, heartbeatTimeout: 20_000 },
      { heartbeatInterval: 100, heartbeatTimeout: 20_000 },
      2,
    );
    const downs = record(handoff, 'node:down');
    const folder = new Folder();
    const run = handoff.execute(
      dagOf(
        { id: 'x', code: f.passDoor, extraArgs: [folder.path, 'x', 'late'], node: 'b' },
        { id: 'known', code: t.later, extraArgs: [1], node: 'b' },
      ),
    );
    await folder.arrived(1);
    b.signal('SIGSTOP');
    folder.open();
    await handoff.execute(dagOf({ id: 'y', code: t.later, extraArgs: [300, 1], node: 'c' }));
    b.signal('SIGCONT');
    expect((await run).results).toEqual({ x: 'late' });
    expect(downs).toEqual([]);
  });

  it('does not delay requests to it', async () => {
    const { handoff, b } = await three(quick, { heartbeatInterval: 100 });
    const down = next(handoff, 'node:down', ({ node }) => node === 'b');
    b.signal('SIGSTOP');
    await Promise.all([
      errorOf(handoff.lookupDataLocation('nobody', 'knows')).then(({ code }) => expect(code).toBe('NOT_FOUND')),
      errorOf(handoff.getValue('nobody', 'knows', { fromNode: 'b' })).then(({ code }) =>
        expect(code).toMatch(/NODE_DOWN|NOT_FOUND/),
      ),
      handoff.clear('nobody'),
    ]);
    await down;
  });
});

describe('a host whose main thread is busy for longer than heartbeatTimeout', () => {
  // Ample, as the threads that send the heartbeats may be late on a busy machine.
  const quick = { heartbeatInterval: 200, heartbeatTimeout: 4000 };

  it.each(['an orchestrator that cannot be dialled', 'a host of nodes'])('%s, is not given up', async (which) => {
    const far = await startHost({ nodes: [{ name: 'far', capabilities: { cpu: 1 }, threads: 1 }], transport: quick });
    const orchestrator = await startHost({ join: [far.address], deaf: true, transport: quick });
    await Promise.all([far, orchestrator].map((each) => each.watch('node:down')));
    const folder = new Folder();
    const running = orchestrator.execute(
      dagOf({ id: 'x', code: f.passDoor, extraArgs: [folder.path, 'x', 'kept'], maxRetries: 0, idempotent: false }),
    );
    await folder.arrived(1);
    await (which === 'a host of nodes' ? far : orchestrator).block(8000);
    folder.open();
    expect((await running).results).toEqual({ x: 'kept' });
    expect(folder.calls('x')).toBe(1);
    expect(orchestrator.events).toEqual([]);
  });
});

describe('a host that is out of reach', () => {
  it('is awaited by functions that only it can run, as explain says, and the run continues when it is back', async () => {
    const quick = { heartbeatInterval: 100, heartbeatTimeout: 3000 };
    const far = await startHost({ nodes: [{ name: 'far', capabilities: { cpu: 1 }, threads: 1 }], transport: quick });
    const handoff = await startHere({ join: [far.address], transport: quick });
    const folder = new Folder();
    const running = handoff.execute(
      new Dag('awaited').add({ id: 'x', code: f.passDoor, extraArgs: [folder.path, 'x', 'kept'], maxRetries: 0 }),
    );
    await folder.arrived(1);
    const down = next(handoff, 'node:down');
    far.signal('SIGSTOP');
    await down;
    expect(handoff.explain('awaited', 'x')).toMatchObject({
      functions: [{ state: 'node', node: 'far', text: expect.stringContaining('out of reach') }],
    });
    expect(await handoff.discoverNodes()).toEqual({});
    far.signal('SIGCONT');
    folder.open();
    expect((await running).results).toEqual({ x: 'kept' });
  });
});

describe('a host that comes back', () => {
  it('under the same port and node name, as a new process, is used again', async () => {
    const { handoff, b, c: hostC } = await three();
    const folder = new Folder();
    const running = handoff.execute(
      dagOf(
        { id: 'x', code: f.passDoor, extraArgs: [folder.path, 'x', 1], cost: { gpu: 1 } },
        { id: 'y', code: f.passDoor, extraArgs: [folder.path, 'y', 2], cost: { gpu: 1 } },
      ),
    );
    await folder.arrived(2);
    const up = next(handoff, 'node:up', ({ node }) => node === 'b');
    await b.kill();
    const anew = await startHost({
      nodes: [{ name: 'b', capabilities: { cpu: 2, gpu: 1 }, threads: 1 }],
      transport: { port: portOf(b) },
    });
    await up;
    await folder.arrived(3);
    expect(folder.lines.at(-1)).toMatchObject(['+', expect.any(String), 'b', expect.any(String), `${anew.pid}`]);
    folder.open();
    expect((await running).results).toEqual({ x: 1, y: 2 });
    await until(async () => 'b' in (await hostC.call('discoverNodes')));
    expect((await hostC.execute(dagOf({ id: 'x', code: f.pid, node: 'b' }))).results).toEqual({ x: anew.pid });
    expect(
      (await anew.execute(dagOf({ id: 'x', code: f.pid, node: 'c' }, { id: 'y', code: f.pid, node: 'a' }))).results,
    ).toEqual({ x: hostC.pid, y: process.pid });
  });

  it('with other capabilities offers those, and gets the code again', async () => {
    const { handoff, b } = await three();
    await handoff.execute(dagOf({ id: 'x', code: f.pid, node: 'b' }, { id: 'y', code: t.one, node: 'b' }));
    const up = next(handoff, 'node:up', ({ node }) => node === 'b');
    await b.kill();
    await startHost({ nodes: [{ name: 'b', capabilities: { cpu: 1, tpu: 4 } }], transport: { port: portOf(b) } });
    expect(await up).toMatchObject({ capabilities: { cpu: 1, tpu: 4 } });
    const { results } = await handoff.execute(
      dagOf({ id: 'y', code: t.one, cost: { tpu: 4 } }, { id: 'z', code: c.whoAmI, node: 'b' }),
    );
    expect(results).toMatchObject({ y: 1, z: { node: 'b' } });
  });

  it('by joining, under its old name, is accepted', async () => {
    const { handoff, b, c: hostC } = await three();
    const gone = next(handoff, 'node:down', ({ node }) => node === 'c');
    await hostC.kill();
    await gone;
    await until(async () => !('c' in (await b.call('discoverNodes'))));
    const up = next(handoff, 'node:up', ({ node }) => node === 'c');
    const anew = await startHost({ nodes: [{ name: 'c', capabilities: { cpu: 1 } }], join: [b.address] });
    await up;
    expect((await handoff.execute(dagOf({ id: 'x', code: f.pid, node: 'c' }))).results).toEqual({ x: anew.pid });
  });
});

describe('a host that stops gently during a run', () => {
  it('finishes its functions and hands over its results, and nothing is recomputed', async () => {
    const { handoff, b } = await three();
    const folder = new Folder();
    const lost = record(handoff, 'result:lost', 'result:recomputing', 'function:retrying');
    const running = handoff.execute(
      new Dag('gently')
        .add({ id: 'made', code: f.notedRamp, extraArgs: [folder.path, 'made', length], cost: { gpu: 1 } })
        .add({
          id: 'slow',
          code: f.passDoorWith,
          args: ['made'],
          layout: [{ value: folder.path }, { value: 'slow' }],
          cost: { gpu: 1 },
        })
        .add({ id: 'hold', code: f.passDoor, extraArgs: [folder.path, 'hold'], node: 'a' })
        .add({ id: 'last', code: f.sumAfter, args: ['made', 'hold'] }),
      { collect: ['last'] },
    );
    await until(() => folder.calls('slow') === 1 && folder.calls('hold') === 1);
    expect(folder.lines.filter(([, name]) => name === 'slow')[0]![2]).toBe('b');
    const stopping = b.stop();
    const down = next(handoff, 'node:down', ({ node }) => node === 'b');
    folder.open('slow');
    await stopping;
    await down;
    folder.open();
    expect((await running).results).toEqual({ last: total });
    expect(folder.calls('made')).toBe(1);
    expect(folder.calls('slow')).toBe(1);
    expect(lost).toEqual([]);
  });

  it('receives no new functions while it drains', async () => {
    const { handoff, b } = await three({}, {}, 2);
    const folder = new Folder();
    const running = handoff.execute(
      dagOf(
        { id: 'x', code: f.passDoor, extraArgs: [folder.path, 'x'], cost: { gpu: 1 } },
        { id: 'g', code: f.passDoor, extraArgs: [folder.path, 'g'], node: 'a' },
      ),
    );
    await folder.arrived(2);
    const stopping = b.stop();
    await until(async () => (await errorOf(b.call('discoverNodes'))).code === 'STOPPED');
    const more = handoff.execute(
      dagOf(
        ...Array.from({ length: 30 }, (_, i) => ({
          id: `f${i}`,
          code: f.where,
          ...(i % 2 === 0 && { cost: { gpu: 1 } }),
        })),
      ),
    );
    expect(new Set(Object.values((await more).results)).has('b')).toBe(false);
    folder.open();
    await stopping;
    await running;
  });

  it('waits no longer than drainTimeout, and then its functions run elsewhere', async () => {
    const { handoff, b } = await three({}, { drainTimeout: 200 });
    const folder = new Folder();
    const running = handoff.execute(
      dagOf({ id: 'x', code: f.passDoor, extraArgs: [folder.path, 'x', 'kept'], cost: { gpu: 1 }, maxRetries: 0 }),
    );
    await folder.arrived(1);
    await b.stop();
    await folder.arrived(2);
    folder.open();
    expect((await running).results).toEqual({ x: 'kept' });
  });

  it('without draining ends at once, and its functions run elsewhere', async () => {
    const { handoff, b } = await three();
    const folder = new Folder();
    const running = handoff.execute(
      dagOf({ id: 'x', code: f.passDoor, extraArgs: [folder.path, 'x', 'kept'], cost: { gpu: 1 }, maxRetries: 0 }),
    );
    await folder.arrived(1);
    await b.stop({ drain: false });
    await folder.arrived(2);
    folder.open();
    expect((await running).results).toEqual({ x: 'kept' });
  });

  it('as an orchestrator finishes its own runs first, on all hosts', async () => {
    const { b } = await three();
    const folder = new Folder();
    const running = b.execute(
      dagOf(
        { id: 'x', code: f.passDoor, extraArgs: [folder.path, 'x', 1], node: 'a' },
        { id: 'y', code: f.passDoor, extraArgs: [folder.path, 'y', 2], node: 'c' },
      ),
    );
    await folder.arrived(2);
    const stopping = b.stop();
    folder.open();
    expect((await running).results).toEqual({ x: 1, y: 2 });
    await stopping;
  });
});
