import { Worker } from 'node:worker_threads';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { DynamicResourceTracker, Handoff, tasks } from '../../../lib/index.ts';
import { Gate } from '../../support/gate.ts';
import { dagOf, errorOf, t } from '../../support/handoff.ts';
import { next, startHere, startHost } from '../../support/hosts.ts';

const m = tasks<typeof import('./memory-tasks.ts')>(new URL('./memory-tasks.ts', import.meta.url));
let handoff: Handoff;
afterEach(() => handoff?.stop());

describe('resources()', () => {
  it('reports what nodes declare, claim and use', async () => {
    const capabilities = { cpu: 2, memory: 1000 };
    handoff = await Handoff.start({
      nodes: [
        { name: 'a', capabilities, threads: 2 },
        { name: 'b', capabilities: { cpu: 1 } },
      ],
    });
    const gate = new Gate();
    const run = handoff.execute(
      dagOf(
        { id: 'x', code: m.holdAtGate, extraArgs: [gate.memory, 0, 60], cost: { cpu: 1, memory: 100 } },
        { id: 'y', code: m.holdBufferAtGate, extraArgs: [gate.memory, 0, 70], cost: { memory: 30 } },
      ),
    );
    await gate.arrived(2);
    const { a, b } = await handoff.resources();
    gate.release();
    await run;
    expect(a).toMatchObject({ declared: capabilities, claimed: { cpu: 1, memory: 130 } });
    const heaps = a!.used.threads.map(({ heapMb }) => heapMb);
    expect(heaps).toHaveLength(2);
    expect(Math.min(...heaps)).toBeGreaterThan(60);
    expect(Math.max(...heaps)).toBeGreaterThan(70);
    expect(a!.used.memory).toBeCloseTo(heaps[0]! + heaps[1]!);
    expect(a!.host.rssMb).toBeGreaterThan(130);
    expect(a!.host.freeMemoryMb).toBeGreaterThan(0);
    expect(b).toMatchObject({
      declared: { cpu: 1 },
      claimed: {},
      used: { threads: [{ utilization: expect.any(Number) }] },
    });
    expect((await handoff.resources())['a']!.claimed).toEqual({});
  });

  it('sees threads that never yield as busy, and idle ones as idle', async () => {
    handoff = await Handoff.start({
      nodes: [
        { name: 'a', capabilities: {} },
        { name: 'b', capabilities: {} },
      ],
    });
    await handoff.execute(dagOf({ id: 'up', code: t.one, node: 'b' })); // a thread that starts is not idle
    const gate = new Gate();
    const run = handoff.execute(dagOf({ id: 'x', code: m.spinAtGate, extraArgs: [gate.memory], node: 'a' }));
    await gate.arrived(1);
    const { a, b } = await handoff.resources();
    gate.release();
    await run;
    expect(a!.used.threads[0]!.utilization).toBeGreaterThan(0.9);
    expect(a!.used.cpu).toBeGreaterThan(b!.used.cpu);
    expect(b!.used.threads[0]!.utilization).toBeLessThan(0.5);
    expect(a!.host.cpu).toBeGreaterThan(0);
  });

  it('reports nodes of other hosts, with what all hosts have claimed of them', async () => {
    const far = await startHost({ nodes: [{ name: 'far', capabilities: { cpu: 1, memory: 500 } }] });
    const here = await startHere({ nodes: [{ name: 'here', capabilities: { cpu: 1 } }], join: [far.address] });
    const abort = new AbortController();
    const run = here.execute(
      dagOf({ id: 'x', code: m.holdForever, extraArgs: [40], node: 'far', cost: { memory: 50 } }),
      { signal: abort.signal },
    );
    await next(here, 'function:started');
    const all = await here.resources();
    expect(Object.keys(all).sort()).toEqual(['far', 'here']);
    expect(all['far']).toMatchObject({
      declared: { cpu: 1, memory: 500 },
      claimed: { memory: 50 },
      used: { threads: [{}] },
    });
    expect(all['far']!.used.memory).toBeGreaterThan(1);
    expect(await far.call('resources')).toMatchObject({
      far: { claimed: { memory: 50 } },
      here: { declared: { cpu: 1 }, claimed: {} },
    });
    abort.abort();
    await errorOf(run);
    expect((await here.resources())['far']!.claimed).toEqual({});
  });

  it('is refused when stopped', async () => {
    handoff = await Handoff.start({ nodes: [{ name: 'a', capabilities: {} }] });
    await handoff.stop();
    expect((await errorOf(handoff.resources())).code).toBe('STOPPED');
  });
});

describe('monitoring', () => {
  it('measures nothing without a reader', async () => {
    const asked = vi.spyOn(Worker.prototype, 'getHeapStatistics');
    handoff = await Handoff.start({ nodes: [{ name: 'a', capabilities: { memory: 100 } }] });
    await handoff.execute(dagOf({ id: 'x', code: t.one, cost: { memory: 1 } }));
    expect(asked).not.toHaveBeenCalled();
    await handoff.resources();
    expect(asked).toHaveBeenCalledTimes(2);
    asked.mockRestore();
  });

  it.each([
    ['monitorInterval', { monitorInterval: 0 }],
    ['probe', { nodes: [{ name: 'a', capabilities: {}, probe: 5 as any }] }],
    ['monitor', { nodes: [{ name: 'a', capabilities: {}, monitor: () => {} } as any] }],
    ['enforceMemory', { nodes: [{ name: 'a', capabilities: {}, enforceMemory: 'yes' as any }] }],
  ])('refuses a bad %s', async (option, options) => {
    expect(await errorOf(Handoff.start(options))).toMatchObject({ code: 'INVALID_OPTION', option });
  });
});

describe('a DynamicResourceTracker', () => {
  class Heard extends DynamicResourceTracker {
    told: () => void = () => {};

    override observe(...args: Parameters<DynamicResourceTracker['observe']>): void {
      super.observe(...args);
      this.told();
    }

    /** Resolves when it has been told of something that holds. */
    async until(holds: () => boolean): Promise<void> {
      while (!holds()) await new Promise<void>((resolve) => (this.told = resolve));
    }
  }

  it('receives what is free, and grants no more than what functions really leave', async () => {
    const resourceTracker = new Heard();
    handoff = await Handoff.start({
      nodes: [{ name: 'a', capabilities: { memory: 200 }, threads: 2 }],
      resourceTracker,
      monitorInterval: 10,
    });
    const gate = new Gate();
    const greedy = handoff.execute(
      dagOf({ id: 'x', code: m.holdAtGate, extraArgs: [gate.memory, 0, 80], cost: { memory: 10 } }),
    );
    await gate.arrived(1);
    await resourceTracker.until(() => !handoff.resourcesAvailable('a', { memory: 150 }));
    const waiting = handoff.execute(
      dagOf({ id: 'y', code: t.one, cost: { memory: 150 } }, { id: 'z', code: t.one, cost: { memory: 20 } }),
    );
    await next(handoff, 'function:finished', ({ functionId }) => functionId === 'z');
    expect(handoff.resourcesAvailable('a', { memory: 150 })).toBe(false);
    gate.release();
    await greedy;
    expect((await waiting).results).toEqual({ y: 1, z: 1 });
  });

  it('does not count uncollected garbage of idle threads as used', async () => {
    const resourceTracker = new Heard();
    handoff = await Handoff.start({
      nodes: [{ name: 'a', capabilities: { memory: 200 }, threads: 1 }],
      resourceTracker,
      monitorInterval: 10,
    });
    const gate = new Gate();
    gate.release();
    await handoff.execute(
      dagOf({ id: 'x', code: m.litterAtGate, extraArgs: [gate.memory, 0, 1], cost: { memory: 10 } }),
    );
    let looks = 0;
    await resourceTracker.until(() => ++looks > 3);
    const { results } = await handoff.execute(dagOf({ id: 'all', code: t.one, cost: { memory: 200 } }));
    expect(results['all']).toBe(1);
  });
});
