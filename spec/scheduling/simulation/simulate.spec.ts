import { describe, expect, it } from 'vitest';
import { Dag, type FunctionSpec, HandoffError } from '../../../lib/index.ts';
import { simulate, type SimulateOptions } from '../../../lib/simulate.ts';
import { thrownBy } from '../../support/handoff.ts';

const code = { module: 'file:///tasks.js', export: 'work' };
const one: SimulateOptions = { nodes: [{ name: 'a', capabilities: { cpu: 2 } }] };

function dagOf(...functions: Omit<FunctionSpec, 'code'>[]): Dag {
  const dag = new Dag('d');
  for (const each of functions) dag.add({ code, ...each } as FunctionSpec);
  return dag;
}

describe('simulate', () => {
  it('tells when each function would run, in virtual time', () => {
    const { makespan, schedule, outcome } = simulate(
      dagOf({ id: 'x', duration: 30 }, { id: 'y', duration: 10 }, { id: 'z', duration: 5, args: ['x', 'y'] }),
      one,
    );
    expect({ makespan, outcome }).toEqual({ makespan: 35, outcome: { ok: true } });
    expect(schedule.map(({ functionId, start, finish }) => [functionId, start, finish])).toEqual([
      ['y', 0, 10],
      ['x', 0, 30],
      ['z', 30, 35],
    ]);
  });

  it('takes the declared duration of a function, divided by the speed of its node, or else 1 ms', () => {
    expect(
      simulate(dagOf({ id: 'x', duration: 30 }), { nodes: [{ name: 'a', capabilities: { cpu: 1 }, speed: 2 }] })
        .makespan,
    ).toBe(15);
    expect(simulate(dagOf({ id: 'x' }), one).makespan).toBe(1);
  });

  it('moves results between nodes in the time that latency and bandwidth give', () => {
    const nodes = [
      { name: 'a', capabilities: { cpu: 1 } },
      { name: 'b', capabilities: { cpu: 1 } },
    ];
    const dag = dagOf(
      { id: 'x', duration: 10, node: 'a', outputBytes: 1000 },
      { id: 'y', duration: 10, node: 'b', args: ['x'] },
      { id: 'z', duration: 10, node: 'a', args: ['x'] },
    );
    const { schedule } = simulate(dag, { nodes, bandwidth: 50_000 });
    expect(schedule.map(({ functionId, start }) => [functionId, start])).toEqual([
      ['x', 0],
      ['z', 10],
      ['y', 30],
    ]);
  });

  it('claims what functions cost, and never more than a node has', () => {
    const dag = dagOf(...Array.from({ length: 6 }, (_, i) => ({ id: `f${i}`, duration: 10, cost: { cpu: 2 } })));
    expect(simulate(dag, { nodes: [{ name: 'a', capabilities: { cpu: 4 } }] }).makespan).toBe(30);
  });

  it('gives the same run for the same seed, and another for another seed', () => {
    const dag = dagOf(
      ...Array.from({ length: 60 }, (_, i) => ({
        id: `f${i}`,
        duration: 5,
        args: i < 3 ? [] : [`f${i - 3}`],
        maxRetries: 50,
      })),
    );
    const run = (seed: number) => simulate(dag, { ...one, seed, faults: { failure: 0.2, crash: 0.05, nodeDeaths: 2 } });
    expect(run(7)).toEqual(run(7));
    expect(run(7).makespan).not.toBe(run(8).makespan);
    expect(run(7).outcome).toEqual({ ok: true });
  });

  it('reports retries, final failures and the outcome of the run', () => {
    const { outcome, events, schedule } = simulate(dagOf({ id: 'x', maxRetries: 2 }, { id: 'y', args: ['x'] }), {
      ...one,
      faults: { failure: 1 },
    });
    expect(outcome).toEqual({ ok: false, code: 'FUNCTION_FAILED', functionIds: ['x'] });
    expect(events.filter(({ type }) => type !== 'note').map(({ type }) => type)).toEqual([
      'run:started',
      'function:retrying',
      'function:retrying',
      'function:failed',
      'run:failed',
    ]);
    expect(schedule.map(({ functionId, attempt, ok }) => [functionId, attempt, ok])).toEqual([
      ['x', 1, false],
      ['x', 2, false],
      ['x', 3, false],
    ]);
  });

  it('survives a million functions on a thousand nodes', { timeout: 120_000 }, () => {
    const nodes = Array.from({ length: 1000 }, (_, i) => ({ name: `n${i}`, capabilities: { cpu: 1 } }));
    const count = Number(process.env['SIMULATED'] ?? 20_000);
    const dag = new Dag('large');
    for (let i = 0; i < count; i++)
      dag.add({ id: `f${i}`, code, args: i < 1000 ? [] : [`f${i - 1000}`], duration: 10 });
    expect(simulate(dag, { nodes }).makespan).toBe(count / 100);
  });

  it.each([
    ['nodes', { nodes: [] }],
    ['capabilities', { nodes: [{ name: 'a', capabilities: { cpu: -1 } }] }],
    ['cpu', { nodes: [{ name: 'a', capabilities: {}, cpu: 1 }] }],
    ['nodes', { nodes: [one.nodes[0], one.nodes[0]] }],
    ['bandwidth', { ...one, bandwidth: 0 }],
    ['latency', { ...one, latency: -1 }],
    ['seed', { ...one, seed: 0.5 }],
    ['faults', { ...one, faults: 5 }],
    ['falure', { ...one, faults: { falure: 1 } }],
    ['failure', { ...one, faults: { failure: -1 } }],
    ['allocationStrategy', { ...one, allocationStrategy: 'best' }],
    ['sede', { ...one, sede: 1 }],
    ['failurePolicy', { ...one, failurePolicy: 'go on' }],
  ])('refuses a bad %s', (option, options) => {
    expect(thrownBy(() => simulate(dagOf({ id: 'x' }), options as never))).toMatchObject({
      code: 'INVALID_OPTION',
      option,
    });
  });

  it('refuses a function that no node could ever run', () => {
    expect(thrownBy(() => simulate(dagOf({ id: 'x', cost: { gpu: 1 } }), one))).toBeInstanceOf(HandoffError);
  });
});
