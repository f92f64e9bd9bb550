import { availableParallelism, totalmem } from 'node:os';
import { describe, expect, it } from 'vitest';
import { Dag, Handoff, type HandoffOptions } from '../../lib/index.ts';
import { Gate } from '../support/gate.ts';
import { dagOf, errorOf, t } from '../support/handoff.ts';
import { leftSince } from '../support/resources.ts';

const small: HandoffOptions = { nodes: [{ name: 'n', capabilities: { cpu: 1 } }] };

describe('start', () => {
  it('has by default one node with all of the machine', async () => {
    const handoff = await Handoff.start();
    expect(await handoff.discoverNodes()).toEqual({
      local: { cpu: availableParallelism(), memory: Math.floor(totalmem() / 2 ** 20) },
    });
    expect((await handoff.execute(dagOf({ id: 'x', code: t.one }))).allocations).toEqual({ x: 'local' });
    await handoff.stop();
  });

  it.each<[string, unknown, string]>([
    ['an unknown option', { node: [] }, 'nodes'],
    ['a bad value', { maxRetries: -1 }, 'maxRetries'],
    ['a strategy that does not exist', { allocationStrategy: 'random' }, 'allocationStrategy'],
    ['no nodes', { nodes: [] }, 'nodes'],
    ['a node without a name', { nodes: [{ capabilities: {} }] }, 'name'],
    ['a node without capabilities', { nodes: [{ name: 'x' }] }, 'capabilities'],
    ['a negative capability', { nodes: [{ name: 'x', capabilities: { cpu: -1 } }] }, 'capabilities'],
    ['half a thread', { nodes: [{ name: 'x', capabilities: {}, threads: 0.5 }] }, 'threads'],
    ['an unknown field of a node', { nodes: [{ name: 'x', capabilities: {}, thread: 1 }] }, 'threads'],
    [
      'two nodes of one name',
      {
        nodes: [
          { name: 'x', capabilities: {} },
          { name: 'x', capabilities: {} },
        ],
      },
      'nodes',
    ],
    ['a tracker that is none', { resourceTracker: {} }, 'resourceTracker'],
    ['a dashboard that others can reach, without a token', { dashboard: { host: '0.0.0.0', port: 0 } }, 'token'],
    ['no object', 7, 'options'],
  ])('refuses %s', async (_, options, mention) => {
    const error = await errorOf(Handoff.start(options as HandoffOptions));
    expect(error.code).toBe('INVALID_OPTION');
    expect(error.message).toContain(mention);
  });
});

describe('execute refuses bad options', () => {
  it.each<[string, object, string]>([
    ['unknown', { maxRetry: 1 }, 'maxRetries'],
    ['maxConcurrency 0', { maxConcurrency: 0 }, 'maxConcurrency'],
    ['a signal that is none', { signal: {} }, 'signal'],
    ['a timeout of 0', { timeout: 0 }, 'timeout'],
    ['collect', { collect: 'some' }, 'collect'],
    ['onProgress', { onProgress: true }, 'onProgress'],
    ['failurePolicy', { failurePolicy: 'never' }, 'failurePolicy'],
  ])('%s', async (_, options, mention) => {
    const handoff = await Handoff.start(small);
    const error = await errorOf(handoff.execute(dagOf(), options));
    await handoff.stop();
    expect(error.code).toBe('INVALID_OPTION');
    expect(error.message).toContain(mention);
  });
});

describe('stop', () => {
  it('leaves nothing that keeps the process alive', async () => {
    const before = process.getActiveResourcesInfo();
    const handoff = await Handoff.start({
      nodes: [
        { name: 'a', capabilities: { cpu: 2 }, threads: 2 },
        { name: 'b', capabilities: { cpu: 1 } },
      ],
    });
    await handoff
      .execute(dagOf({ id: 'x', code: t.one }, { id: 'y', code: t.exit, extraArgs: [1], maxRetries: 1 }))
      .catch(() => {});
    await handoff.stop();
    expect(await leftSince(before)).toEqual([]);
  });

  it('drains: what runs finishes, and nothing new begins', async () => {
    const handoff = await Handoff.start(small);
    const gate = new Gate();
    const running = handoff.execute(
      dagOf({ id: 'x', code: t.waitAtGate, extraArgs: [gate.memory] }, { id: 'y', code: t.double, args: ['x'] }),
    );
    await gate.arrived(1);
    const stopping = handoff.stop();
    expect((await errorOf(handoff.execute(dagOf({ id: 'z', code: t.one })))).code).toBe('STOPPED');
    gate.release();
    expect((await running).results).toEqual({ x: 1, y: 2 });
    await stopping;
  });

  it('aborts instead with drain: false', async () => {
    const handoff = await Handoff.start(small);
    const gate = new Gate();
    const running = errorOf(handoff.execute(dagOf({ id: 'x', code: t.waitAtGate, extraArgs: [gate.memory] })));
    await gate.arrived(1);
    await handoff.stop({ drain: false });
    expect((await running).code).toBe('STOPPED');
  });

  it("with drain: 'functions' lets only running functions finish", async () => {
    const handoff = await Handoff.start(small);
    const gate = new Gate();
    const running = errorOf(
      handoff.execute(
        new Dag('gentle')
          .add({ id: 'x', code: t.waitAtGate, extraArgs: [gate.memory] })
          .add({ id: 'y', code: t.double, args: ['x'] }),
      ),
    );
    await gate.arrived(1);
    const stopping = handoff.stop({ drain: 'functions' });
    gate.release();
    expect((await running).code).toBe('STOPPED');
    await stopping;
  });

  it('resolves a run whose last functions finish during the drain', async () => {
    const handoff = await Handoff.start(small);
    const gate = new Gate();
    const running = handoff.execute(dagOf({ id: 'x', code: t.waitAtGate, extraArgs: [gate.memory] }));
    await gate.arrived(1);
    const stopping = handoff.stop({ drain: 'functions' });
    gate.release();
    expect((await running).stats.functions).toBe(1);
    await stopping;
  });

  it('refuses another way to drain, and goes on running', async () => {
    const handoff = await Handoff.start(small);
    expect(await errorOf(handoff.stop({ drain: 'none' as never }))).toMatchObject({
      code: 'INVALID_OPTION',
      option: 'drain',
    });
    await handoff.execute(dagOf({ id: 'x', code: t.one }));
    await handoff.stop();
  });

  it('can be called again, and by await using', async () => {
    const handoff = await Handoff.start(small);
    expect(handoff.stop()).toBe(handoff.stop());
    await handoff[Symbol.asyncDispose]();
  });

  it('fails pending getResult calls', async () => {
    const handoff = await Handoff.start(small);
    const waiting = errorOf(handoff.getResult('x', 'y', { timeout: 60_000 }));
    await handoff.stop();
    expect((await waiting).code).toBe('STOPPED');
  });

  it('refuses later calls', async () => {
    const handoff = await Handoff.start(small);
    await handoff.stop();
    for (const call of [
      handoff.plan(dagOf()),
      handoff.discoverNodes(),
      handoff.registerNode('x', {}),
      handoff.storeValue('a', 'b', 1),
      handoff.getResult('a', 'b'),
    ]) {
      expect((await errorOf(call)).code).toBe('STOPPED');
    }
  });
});

describe('nodes at run time', () => {
  it('can be added', async () => {
    const handoff = await Handoff.start(small);
    await errorOf(handoff.execute(dagOf({ id: 'x', code: t.one, cost: { gpu: 1 } })));
    await handoff.registerNode('g', { cpu: 1, gpu: 1 });
    expect((await handoff.execute(dagOf({ id: 'x', code: t.one, cost: { gpu: 1 } }))).allocations).toEqual({ x: 'g' });
    await handoff.registerLocalNode({ cpu: 1 });
    expect(Object.keys(await handoff.discoverNodes())).toEqual(['n', 'g', 'local']);
    await handoff.stop();
  });

  it('can change their capabilities, without losing live claims', async () => {
    const handoff = await Handoff.start({ nodes: [{ name: 'n', capabilities: { cpu: 2 }, threads: 2 }] });
    const gate = new Gate();
    const running = handoff.execute(dagOf({ id: 'x', code: t.waitAtGate, extraArgs: [gate.memory], cost: { cpu: 2 } }));
    await gate.arrived(1);
    await handoff.registerNode('n', { cpu: 3 });
    expect(await handoff.discoverNodes()).toEqual({ n: { cpu: 3 } });
    expect(handoff.resourcesAvailable('n', { cpu: 1 })).toBe(true);
    expect(handoff.resourcesAvailable('n', { cpu: 2 })).toBe(false);
    gate.release();
    await running;
    expect(handoff.resourcesAvailable('n', { cpu: 3 })).toBe(true);
    await handoff.stop();
  });

  it('that shrink fail functions that fit no node any more', async () => {
    const handoff = await Handoff.start({ nodes: [{ name: 'n', capabilities: { cpu: 2 }, threads: 1 }] });
    const gate = new Gate();
    const running = errorOf(
      handoff.execute(
        dagOf({ id: 'x', code: t.waitAtGate, extraArgs: [gate.memory] }, { id: 'y', code: t.one, cost: { cpu: 2 } }),
      ),
    );
    await gate.arrived(1);
    await handoff.registerNode('n', { cpu: 1 });
    gate.release();
    expect(await running).toMatchObject({
      code: 'ALLOCATION_ERROR',
      functionId: 'y',
      resource: 'cpu',
      cost: { cpu: 2 },
      offers: { n: { cpu: 1 } },
    });
    await handoff.stop();
  });

  it('can be added while others are at work, and when a thread has died, by a listener', async () => {
    const handoff = await Handoff.start({ nodes: [{ name: 'n', capabilities: { cpu: 1 } }] });
    const gate = new Gate();
    const running = handoff.execute(
      dagOf(...Array.from({ length: 20 }, (_, i) => ({ id: `f${i}`, code: t.waitAtGate, extraArgs: [gate.memory] }))),
    );
    await gate.arrived(1);
    await handoff.registerNode('more', { cpu: 3 });
    await gate.arrived(2);
    gate.release();
    expect(Object.keys((await running).stats.nodes)).toContain('more');
    const added = new Promise((resolve) =>
      handoff.once('worker:crashed', ({ node }) => resolve(handoff.registerNode(node, { cpu: 2, memory: 9 }))),
    );
    const error = await errorOf(
      handoff.execute(dagOf({ id: 'bad', code: t.exit, extraArgs: [3], maxRetries: 0 }, { id: 'good', code: t.one }), {
        failurePolicy: 'continue',
      }),
    );
    await added;
    expect(error.failures!.map(({ functionId }) => functionId)).toEqual(['bad']);
    expect(error.results).toEqual({ good: 1 });
    await handoff.stop();
  });

  it('are refused with bad capabilities', async () => {
    const handoff = await Handoff.start(small);
    expect((await errorOf(handoff.registerNode('x', { cpu: NaN }))).code).toBe('INVALID_OPTION');
    expect((await errorOf(handoff.registerNode('', {}))).code).toBe('INVALID_OPTION');
    await handoff.stop();
  });
});

it('shows its supervision tree', async () => {
  const handoff = await Handoff.start({ nodes: [{ name: 'n', capabilities: { cpu: 1 }, threads: 2 }] });
  const tree = handoff.tree();
  expect(tree).toMatchObject({ id: 'root', kind: 'supervisor', strategy: 'rest-for-one', state: 'running' });
  expect(tree.children!.map((child) => child.id)).toEqual([
    'registry',
    'store',
    'resources',
    'nodes',
    'actors',
    'runs',
  ]);
  const [node] = tree.children![3]!.children!;
  expect(node).toMatchObject({ id: 'n', kind: 'supervisor', info: { capabilities: { cpu: 1 }, threads: 2 } });
  expect(node!.children!.map((child) => child.id)).toEqual(['worker-0', 'worker-1']);
  const gate = new Gate();
  const running = handoff.execute(dagOf({ id: 'x', code: t.waitAtGate, extraArgs: [gate.memory] }));
  await gate.arrived(1);
  expect(handoff.tree().children!.find(({ id }) => id === 'runs')!.children).toMatchObject([
    { kind: 'worker', info: { functions: 1, unfinished: 1 } },
  ]);
  gate.release();
  await running;
  await handoff.stop();
});
