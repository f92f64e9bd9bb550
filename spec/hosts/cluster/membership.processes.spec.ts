/** Who knows whom, and who is let in. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Handoff } from '../../../lib/index.ts';
import { errorOf, dagOf, t } from '../../support/handoff.ts';
import { type HostProcess, next, patient, record, startHere, startHost } from '../../support/hosts.ts';
import { leftSince } from '../../support/resources.ts';
import { f, Folder, until } from './folder.ts';

const node = (name: string, cpu = 1): { name: string; capabilities: { cpu: number } } => ({
  name,
  capabilities: { cpu },
});

describe('joining', () => {
  it('through one member connects a host with all others', async () => {
    const hosts: HostProcess[] = [];
    for (const name of ['h1', 'h2', 'h3', 'h4']) {
      const before = hosts.at(-1);
      hosts.push(await startHost({ nodes: [node(name)], ...(before !== undefined && { join: [before.address] }) }));
      expect(Object.keys(await hosts.at(-1)!.call('discoverNodes')).sort()).toEqual(
        ['h1', 'h2', 'h3', 'h4'].slice(0, hosts.length),
      );
    }
    for (const host of hosts) await until(async () => Object.keys(await host.call('discoverNodes')).length === 4);
    for (const host of hosts) {
      const { results } = await host.execute(
        dagOf(
          ...['h1', 'h2', 'h3', 'h4'].map((name) => ({ id: name, code: f.pid, node: name })),
          { id: 'large', code: f.ramp, extraArgs: [20_000], node: 'h2' },
          ...['h1', 'h3', 'h4'].map((name) => ({ id: `sum ${name}`, code: f.sum, args: ['large'], node: name })),
        ),
        { collect: ['h1', 'h2', 'h3', 'h4', 'sum h1', 'sum h3', 'sum h4'] },
      );
      expect(['h1', 'h2', 'h3', 'h4'].map((name) => results[name])).toEqual(hosts.map(({ pid }) => pid));
      for (const name of ['h1', 'h3', 'h4']) expect(results[`sum ${name}`].total).toBe((20_000 * 19_999) / 2);
    }
  });

  it('through one member connects all hosts, on Unix sockets in a folder whose name has spaces and umlauts', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'handoff büro mit leer-'));
    const hosts: Handoff[] = [];
    try {
      for (const name of ['h1', 'h2', 'h3'])
        hosts.push(
          await Handoff.start({
            nodes: [node(name)],
            transport: {
              type: 'tcp',
              ...patient,
              host: `unix:${folder}/${name}.sock`,
              ...(hosts.length > 0 && { join: [hosts[0]!.address!] }),
            },
          }),
        );
      expect(Object.keys(await hosts[2]!.discoverNodes()).sort()).toEqual(['h1', 'h2', 'h3']);
    } finally {
      await Promise.all(hosts.map((host) => host.stop()));
      rmSync(folder, { recursive: true });
    }
  });

  it('several members at once, while two join each other, gives each pair one link', async () => {
    const seed = await startHost({ nodes: [node('seed')] });
    const others = await Promise.all(
      ['x', 'y', 'z'].map((name) => startHost({ nodes: [node(name)], join: [seed.address] })),
    );
    for (const host of [seed, ...others])
      await until(async () => Object.keys(await host.call('discoverNodes')).length === 4);
    for (const host of others) {
      const { results } = await host.execute(
        dagOf(...['seed', 'x', 'y', 'z'].map((name) => ({ id: name, code: f.pid, node: name }))),
      );
      expect(Object.values(results)).toEqual([seed.pid, ...others.map(({ pid }) => pid)]);
      expect(JSON.stringify(await host.tree())).toContain(seed.address);
    }
  });

  it('during a run brings its nodes to it', async () => {
    const folder = new Folder();
    const host = await startHost({ nodes: [node('first')] });
    const handoff = await startHere({ join: [host.address] });
    const run = handoff.execute(
      dagOf(
        { id: 'x', code: f.passDoor, extraArgs: [folder.path, 'x'], cost: { cpu: 1 } },
        { id: 'y', code: f.passDoor, extraArgs: [folder.path, 'y'], cost: { cpu: 1 } },
      ),
    );
    await folder.arrived(1);
    const late = await startHost({ nodes: [node('second')], join: [host.address] });
    await folder.arrived(2);
    expect(folder.lines.map(([, , where, , pid]) => `${where} ${pid}`).sort()).toEqual([
      `first ${host.pid}`,
      `second ${late.pid}`,
    ]);
    folder.open();
    await run;
  });

  it('an address without a host is no error for a host with nodes: it joins when a host appears', async () => {
    const gone = await startHost({});
    await gone.kill();
    const handoff = await startHere({ nodes: [node('near')], join: [gone.address], transport: { joinTimeout: 50 } });
    expect((await handoff.execute(dagOf({ id: 'x', code: t.one }))).allocations).toEqual({ x: 'near' });
    const up = next(handoff, 'node:up', (event) => event.node === 'far');
    const host = await startHost({ nodes: [node('far')], transport: { port: Number(gone.address.split(':').at(-1)) } });
    await up;
    expect((await handoff.execute(dagOf({ id: 'x', code: f.pid, node: 'far' }))).results).toEqual({ x: host.pid });
  });

  it('an address where no host answers is NODE_DOWN for a host without nodes', async () => {
    const gone = await startHost({});
    await gone.kill();
    const error = await errorOf(startHere({ join: [gone.address], transport: { joinTimeout: 300 } }));
    expect(error.code).toBe('NODE_DOWN');
    expect(error.message).toContain(gone.address);
  });
});

describe('a host that is refused', () => {
  it('has another secret or none: nothing reveals the right one, and members go on', async () => {
    const host = await startHost({ nodes: [node('far')], secret: 'correct horse battery staple' });
    for (const secret of ['wrong horse battery staple', undefined]) {
      const error = await errorOf(startHere({ join: [host.address], ...(secret !== undefined && { secret }) }));
      expect(error.code).toBe('UNAUTHORIZED');
      expect(JSON.stringify([error.message, error])).not.toContain('horse');
    }
    const handoff = await startHere({ join: [host.address], secret: 'correct horse battery staple' });
    expect((await handoff.execute(dagOf({ id: 'x', code: f.pid }))).results).toEqual({ x: host.pid });
  });

  it('has a secret where the member has none', async () => {
    const host = await startHost({ nodes: [node('far')] });
    expect((await errorOf(startHere({ join: [host.address], secret: 'mine, and nobody else has it' }))).code).toBe(
      'UNAUTHORIZED',
    );
  });

  it('may take the secret from its environment', async () => {
    const host = await startHost({ nodes: [node('far')], env: { HANDOFF_SECRET: 'from the environment' } });
    const handoff = await startHere({ join: [host.address], secret: 'from the environment' });
    expect((await handoff.execute(dagOf({ id: 'x', code: f.pid }))).results).toEqual({ x: host.pid });
    expect(
      await errorOf(startHost({ join: [host.address], env: { HANDOFF_SECRET: 'other, from the environment' } })),
    ).toMatchObject({ code: 'UNAUTHORIZED' });
  });

  it('has a node whose name is taken, and learns which name and by which host', async () => {
    const host = await startHost({ nodes: [node('taken')] });
    const handoff = await startHere({ join: [host.address] });
    const error = await errorOf(startHost({ nodes: [node('other'), node('taken')], join: [host.address] }));
    expect(error).toMatchObject({ code: 'INVALID_OPTION', option: 'nodes', node: 'taken' });
    expect(error.message).toContain(host.address);
    expect((await handoff.execute(dagOf({ id: 'x', code: f.pid, node: 'taken' }))).results).toEqual({ x: host.pid });
    await until(async () => Object.keys(await handoff.discoverNodes()).join() === 'taken');
  });

  it('has a node whose name a third host has taken', async () => {
    const first = await startHost({ nodes: [node('one')] });
    const second = await startHost({ nodes: [node('two')], join: [first.address] });
    expect(await errorOf(startHost({ nodes: [node('two')], join: [first.address] }))).toMatchObject({
      code: 'INVALID_OPTION',
      node: 'two',
    });
    const { results } = await first.execute(dagOf({ id: 'x', code: f.pid, node: 'two' }));
    expect(results).toEqual({ x: second.pid });
  });
});

describe('two hosts that join at once with the same node name', () => {
  it('are not both accepted', async () => {
    const seed = await startHost({ nodes: [node('seed')] });
    const outcomes = await Promise.allSettled(
      [1, 2].map(() => startHost({ nodes: [node('same')], join: [seed.address] })),
    );
    const refused = outcomes.filter(({ status }) => status === 'rejected') as PromiseRejectedResult[];
    expect(refused.length).toBeGreaterThan(0);
    for (const { reason } of refused) expect(reason).toMatchObject({ code: 'INVALID_OPTION', node: 'same' });
    expect((await seed.execute(dagOf({ id: 'x', code: t.one, node: 'seed' }))).results).toEqual({ x: 1 });
  });
});

describe('an orchestrator without nodes', () => {
  it('runs everything elsewhere, and has the results', async () => {
    const host = await startHost({ nodes: [node('far', 2)] });
    const handoff = await startHere({ join: [host.address] });
    const { results, allocations } = await handoff.execute(
      dagOf({ id: 'x', code: f.ramp, extraArgs: [50_000] }, { id: 'y', code: f.sum, args: ['x'] }),
    );
    expect(results['x']).toHaveLength(50_000);
    expect(results['y']).toEqual({ total: (50_000 * 49_999) / 2, pid: host.pid, length: 50_000 });
    expect(allocations).toEqual({ x: 'far', y: 'far' });
  });

  it('runs nothing with executeLocal', async () => {
    const host = await startHost({ nodes: [node('far')] });
    const handoff = await startHere({ join: [host.address] });
    expect((await errorOf(handoff.executeLocal(dagOf({ id: 'x', code: t.one }), { timeout: 60_000 }))).code).toBe(
      'NODE_DOWN',
    );
  });

  it('that knows no host with nodes fails with NODE_DOWN', async () => {
    const host = await startHost({});
    const handoff = await startHere({ join: [host.address] });
    expect((await errorOf(handoff.execute(dagOf({ id: 'x', code: t.one })))).code).toBe('NODE_DOWN');
  });
});

describe('a host that does not listen', () => {
  it('offers its nodes to the hosts it joined, and large results go both ways', async () => {
    const handoff = await startHere({ nodes: [node('near')] });
    const host = await startHost({ nodes: [node('hidden')], join: [handoff.address!], deaf: true });
    expect(host.address).toBe('');
    const { results } = await handoff.execute(
      dagOf(
        { id: 'there', code: f.ramp, extraArgs: [60_000], node: 'hidden' },
        { id: 'here', code: f.ramp, extraArgs: [60_000, 1], node: 'near' },
        { id: 'x', code: f.sum, args: ['there'], node: 'near' },
        { id: 'y', code: f.sum, args: ['here'], node: 'hidden' },
      ),
      { collect: 'sinks' },
    );
    const total = (60_000 * 59_999) / 2;
    expect(results).toEqual({
      x: { total, pid: process.pid, length: 60_000 },
      y: { total: total + 60_000, pid: host.pid, length: 60_000 },
    });
  });

  it('executes on the hosts it joined', async () => {
    const handoff = await startHere({ nodes: [node('near')] });
    const host = await startHost({ nodes: [node('hidden')], join: [handoff.address!], deaf: true });
    const { results } = await host.execute(
      dagOf(
        { id: 'x', code: f.ramp, extraArgs: [60_000], node: 'near' },
        { id: 'y', code: f.sum, args: ['x'], node: 'hidden' },
        { id: 'z', code: f.sum, args: ['x'], node: 'near' },
      ),
      { collect: ['y', 'z'] },
    );
    expect([results['y'].pid, results['z'].pid]).toEqual([host.pid, process.pid]);
  });

  it('gives large results to another host that does not listen, through a host that knows both', async () => {
    const handoff = await startHere({ nodes: [node('near')] });
    await startHost({ nodes: [node('hidden')], join: [handoff.address!], deaf: true });
    const other = await startHost({ nodes: [node('veiled')], join: [handoff.address!], deaf: true });
    const { results } = await handoff.execute(
      dagOf(
        { id: 'x', code: f.ramp, extraArgs: [60_000], node: 'hidden' },
        { id: 'y', code: f.sum, args: ['x'], node: 'veiled' },
      ),
      { collect: ['y'] },
    );
    expect(results['y']).toEqual({ total: (60_000 * 59_999) / 2, pid: other.pid, length: 60_000 });
  });
});

describe('leaving', () => {
  it('is reported to all: its nodes are down, and others stay', async () => {
    const host = await startHost({ nodes: [node('first')] });
    const other = await startHost({ nodes: [node('second')], join: [host.address] });
    const handoff = await startHere({ join: [host.address] });
    expect(Object.keys(await handoff.discoverNodes()).sort()).toEqual(['first', 'second']);
    await host.watch('node:down');
    const down = next(handoff, 'node:down');
    const errors = record(handoff, 'node:down');
    await other.stop();
    expect(await down).toMatchObject({ node: 'second', error: { code: 'NODE_DOWN' } });
    await host.told('node:down');
    expect(errors).toHaveLength(1);
    expect(await handoff.discoverNodes()).toEqual({ first: { cpu: 1 } });
    expect((await handoff.execute(dagOf({ id: 'x', code: f.pid }))).results).toEqual({ x: host.pid });
  });

  it('is announced first: members and newcomers send nothing new, and running functions finish', async () => {
    const folder = new Folder();
    const leaving = await startHost({ nodes: [node('leaving', 8)] });
    const staying = await startHost({ nodes: [node('staying', 8)], join: [leaving.address] });
    const handoff = await startHere({ join: [leaving.address] });
    const held = handoff.execute(
      dagOf({ id: 'held', code: f.passDoor, extraArgs: [folder.path, 'held'], node: 'leaving' }),
    );
    await folder.arrived(1);
    const stopped = leaving.stop();
    const ids = Array.from({ length: 20 }, (_, i) => `x${i}`);
    const nodesUsed = async (by: Pick<Handoff, 'execute'>): Promise<string[]> => {
      const { allocations } = await by.execute(dagOf(...ids.map((id) => ({ id, code: f.pid, cost: { cpu: 1 } }))));
      return [...new Set(Object.values(allocations))].sort();
    };
    await until(async () => (await nodesUsed(handoff)).join() === 'staying'); // it has heard
    expect(await nodesUsed(handoff)).toEqual(['staying']);
    expect(await nodesUsed(staying)).toEqual(['staying']);
    for (const addresses of [[staying.address], [staying.address, leaving.address]])
      expect(await nodesUsed(await startHere({ join: addresses }))).toEqual(['staying']);
    folder.open();
    expect((await held).allocations).toEqual({ held: 'leaving' });
    await stopped;
    expect(folder.calls('held')).toBe(1);
  });

  it('leaves no handle that keeps a process alive', async () => {
    const host = await startHost({ nodes: [node('far')] });
    const before = process.getActiveResourcesInfo();
    const handoff = await startHere({ nodes: [node('near')], join: [host.address] });
    await handoff.execute(
      dagOf(
        { id: 'x', code: f.ramp, extraArgs: [60_000], node: 'far' },
        { id: 'y', code: f.sum, args: ['x'], node: 'near' },
      ),
    );
    await handoff.stop();
    expect(await leftSince(before)).toEqual([]);
    await host.stop();
    expect(await host.exited).toBe(null);
  });
});
