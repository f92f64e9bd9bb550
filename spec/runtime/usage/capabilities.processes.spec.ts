import { afterEach, describe, expect, it } from 'vitest';
import { Handoff, type HandoffOptions, type NodeResources } from '../../../lib/index.ts';
import { Gate } from '../../support/gate.ts';
import { dagOf, errorOf, t } from '../../support/handoff.ts';
import { next, startHere, startHost } from '../../support/hosts.ts';

let handoff: Handoff;
afterEach(() => handoff?.stop());
const start = async (
  node: Partial<NonNullable<HandoffOptions['nodes']>[number]>,
  options: HandoffOptions = {},
): Promise<Handoff> =>
  (handoff = await Handoff.start({
    nodes: [{ name: 'n', capabilities: { cpu: 2, memory: 100 }, threads: 3, ...node }],
    ...options,
  }));
const waits = (gate: Gate, id: string, ticket: number) => ({
  id,
  code: t.waitAtGate,
  extraArgs: [gate.memory, ticket],
  cost: { cpu: 1 },
});

describe('updateCapabilities', () => {
  it('changes the named capabilities, and keeps the others', async () => {
    await start({});
    const told = next(handoff, 'node:capabilities-changed');
    await handoff.updateCapabilities('n', { memory: 50, gpu: 1 });
    expect(await handoff.discoverNodes()).toEqual({ n: { cpu: 2, memory: 50, gpu: 1 } });
    expect(await told).toMatchObject({ node: 'n', capabilities: { cpu: 2, memory: 50, gpu: 1 } });
    expect((await handoff.execute(dagOf({ id: 'x', code: t.one, cost: { gpu: 1 } }))).results).toEqual({ x: 1 });
  });

  it('refuses what is no capability, and nodes that are not there', async () => {
    await start({});
    expect(await errorOf(handoff.updateCapabilities('n', { memory: -1 }))).toMatchObject({
      code: 'INVALID_OPTION',
      option: 'capabilities',
    });
    expect(await errorOf(handoff.updateCapabilities('m', { memory: 1 }))).toMatchObject({
      code: 'NOT_FOUND',
      node: 'm',
    });
    expect(await handoff.discoverNodes()).toEqual({ n: { cpu: 2, memory: 100 } });
  });

  it('starts functions that waited for more capacity', async () => {
    await start({});
    const gate = new Gate();
    const run = handoff.execute(dagOf(waits(gate, 'a', 0), waits(gate, 'b', 0), waits(gate, 'c', 0)));
    await gate.arrived(2);
    expect(handoff.resourcesAvailable('n', { cpu: 1 })).toBe(false);
    await handoff.updateCapabilities('n', { cpu: 3 });
    await gate.arrived(3);
    gate.release();
    await run;
  });

  it('lets what runs keep what it claimed when there is less, and new claims wait until they fit', async () => {
    await start({});
    const gate = new Gate();
    const order: string[] = [];
    handoff.on('function:started', ({ functionId }) => order.push(`${functionId} starts`));
    handoff.on('function:finished', ({ functionId }) => order.push(`${functionId} ends`));
    const run = handoff.execute(dagOf(waits(gate, 'a', 0), waits(gate, 'b', 1), waits(gate, 'c', 1)));
    await gate.arrived(2);
    await handoff.updateCapabilities('n', { cpu: 1 });
    expect((await handoff.resources())['n']).toMatchObject({ declared: { cpu: 1 }, claimed: { cpu: 2 } });
    const first = next(handoff, 'function:finished');
    gate.release(1);
    expect((await first).functionId).toBe('a');
    expect(handoff.resourcesAvailable('n', { cpu: 1 })).toBe(false); // b holds the one there is
    gate.release();
    await run;
    expect(order.toSorted()).toEqual(['a ends', 'a starts', 'b ends', 'b starts', 'c ends', 'c starts']);
    expect(order.indexOf('c starts')).toBeGreaterThan(order.indexOf('b ends'));
  });
});

describe("a node's probe", () => {
  it('receives what is declared, claimed and used, and returns the new capabilities', async () => {
    const seen: NodeResources[] = [];
    let changed: { gpu: number } | undefined;
    await start(
      {
        probe: (resources) => {
          seen.push(resources);
          return changed;
        },
      },
      { monitorInterval: 10 },
    );
    changed = { gpu: 2 };
    expect((await next(handoff, 'node:capabilities-changed')).capabilities).toEqual({ cpu: 2, memory: 100, gpu: 2 });
    expect(seen.at(-1)).toMatchObject({
      declared: { cpu: 2, memory: 100 },
      claimed: {},
      used: { cpu: expect.any(Number), memory: expect.any(Number) },
      host: { rssMb: expect.any(Number) },
    });
    // A thread that is still starting has no reading yet.
    while (seen.at(-1)!.used.threads.length < 3) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(seen.at(-1)!.used.threads).toHaveLength(3);
    expect((await handoff.execute(dagOf({ id: 'x', code: t.one, cost: { gpu: 2 } }))).results).toEqual({ x: 1 });
  });

  it('may be slow, and is never called twice at once', async () => {
    const answer = Promise.withResolvers<{ memory: number }>();
    let calls = 0;
    let others = 0;
    const enough = Promise.withResolvers<void>();
    handoff = await Handoff.start({
      monitorInterval: 5,
      nodes: [
        {
          name: 'n',
          capabilities: {},
          probe: () => {
            calls++;
            return answer.promise;
          },
        },
        {
          name: 'm',
          capabilities: {},
          probe: () => {
            if (++others === 4) enough.resolve();
          },
        },
      ],
    });
    await enough.promise;
    expect(calls).toBe(1);
    const changed = next(handoff, 'node:capabilities-changed');
    answer.resolve({ memory: 7 });
    expect((await changed).capabilities).toEqual({ memory: 7 });
  });

  it('reports a change once, while it returns the same', async () => {
    let calls = 0;
    let gives: { gpu: number } | undefined;
    const enough = Promise.withResolvers<void>();
    await start(
      {
        probe: () => {
          if (gives !== undefined && ++calls === 5) enough.resolve();
          return gives;
        },
      },
      { monitorInterval: 5 },
    );
    gives = { gpu: 1 };
    let changes = 0;
    handoff.on('node:capabilities-changed', () => changes++);
    await enough.promise;
    expect(changes).toBe(1);
  });

  it.each([
    [
      'throws',
      () => {
        throw new RangeError('no nvidia-smi');
      },
      { name: 'RangeError', message: 'no nvidia-smi' },
    ],
    [
      'gives no capabilities',
      () => ({ memory: 'much' }) as any,
      { code: 'INVALID_OPTION', message: expect.stringContaining('The probe of node n') },
    ],
  ])('that %s is an event, and harms nothing', async (_, probe, error) => {
    await start({ probe }, { monitorInterval: 5 });
    expect(await next(handoff, 'probe:failed')).toMatchObject({ node: 'n', error });
    await next(handoff, 'probe:failed');
    expect(await handoff.discoverNodes()).toEqual({ n: { cpu: 2, memory: 100 } });
    expect((await handoff.execute(dagOf({ id: 'x', code: t.one }))).results).toEqual({ x: 1 });
  });
});

describe("capabilities of other hosts' nodes", () => {
  it('that change are reported, and can be changed from anywhere', async () => {
    const far = await startHost({ nodes: [{ name: 'far', capabilities: { cpu: 1 } }] });
    const here = await startHere({ join: [far.address] });
    const changed = next(here, 'node:capabilities-changed');
    await far.call('updateCapabilities', 'far', { tpu: 1 });
    expect(await changed).toMatchObject({ node: 'far', capabilities: { cpu: 1, tpu: 1 } });
    expect((await here.execute(dagOf({ id: 'x', code: t.one, cost: { tpu: 1 } }))).allocations).toEqual({ x: 'far' });
    const again = next(here, 'node:capabilities-changed');
    await here.updateCapabilities('far', { tpu: 4 });
    expect((await again).capabilities).toEqual({ cpu: 1, tpu: 4 });
    expect(await far.call('discoverNodes')).toEqual({ far: { cpu: 1, tpu: 4 } });
    expect((await errorOf(here.updateCapabilities('far', { tpu: -1 }))).code).toBe('INVALID_OPTION');
    expect((await errorOf(here.updateCapabilities('further', {}))).code).toBe('NOT_FOUND');
  });

  it('that are registered again are reported too', async () => {
    const far = await startHost({ nodes: [{ name: 'far', capabilities: { cpu: 1 } }] });
    const here = await startHere({ join: [far.address] });
    const changed = next(here, 'node:capabilities-changed');
    await far.call('registerNode', 'far', { cpu: 2, tpu: 1 });
    expect((await changed).capabilities).toEqual({ cpu: 2, tpu: 1 });
  });

  it('that grow start waiting functions', async () => {
    const far = await startHost({ nodes: [{ name: 'far', capabilities: { cpu: 1, tpu: 1 }, threads: 2 }] });
    const here = await startHere({ join: [far.address] });
    const holding = far.execute(dagOf({ id: 'x', code: t.spin, cost: { tpu: 1 } }));
    holding.catch(() => {});
    while ((await far.claims('far')).now['tpu'] !== 1);
    const run = here.execute(dagOf({ id: 'y', code: t.one, cost: { tpu: 1 } }));
    await far.call('updateCapabilities', 'far', { tpu: 2 });
    expect((await run).allocations).toEqual({ y: 'far' });
    await far.abort();
  });
});
