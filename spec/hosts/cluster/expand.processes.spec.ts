/** Functions over hosts that answer with graphs. The orchestrator is this process, with node a; host B has node b. */
import { describe, expect, it } from 'vitest';
import { Dag, tasks } from '../../../lib/index.ts';
import { dagOf, errorOf, t } from '../../support/handoff.ts';
import { next, record, startHere, startHost, useCluster } from '../../support/hosts.ts';
import { until } from './folder.ts';

const e = tasks<typeof import('../../fixtures/expand-tasks.ts')>(
  new URL('../../fixtures/expand-tasks.ts', import.meta.url),
);
const node = (name: string): { name: string; capabilities: { cpu: number }; threads: number } => ({
  name,
  capabilities: { cpu: 2 },
  threads: 2,
});
const cluster = useCluster({ nodes: [node('a')] }, { nodes: [node('b')] });
const length = 2 ** 16; // 512 KiB: such a result stays on its host

describe('a function of another host that answers with a graph', () => {
  it('has its result, and so has every function of its graph, wherever that runs', async () => {
    const made = new Dag()
      .add({ id: 'sum', code: e.sum, extraArgs: [0, 64, 4], node: 'b' })
      .add({ id: 'next', code: t.increment, args: ['sum'], node: 'a' })
      .add({ id: 'there', code: t.increment, args: ['next'], node: 'b' });
    const { results, runId } = await cluster.handoff.execute(made);
    expect(results).toEqual({ sum: 2016, next: 2017, there: 2018 });
    expect(await cluster.handoff.getResult(runId, 'sum/sum#1/sum#2')).toBe(376);
  });

  it('has large results that stay where they are until they are read', async () => {
    const made = new Dag()
      .add({ id: 'fill', code: e.fill, extraArgs: [1, 2, length], node: 'b' })
      .add({ id: 'here', code: e.total, args: ['fill'], node: 'a' })
      .add({ id: 'there', code: e.total, args: ['fill'], node: 'b' })
      .add({ id: 'pair', code: e.pair, extraArgs: [length], node: 'b' })
      .add({ id: 'both', code: e.totalOfPair, args: ['pair'], node: 'a' });
    const { results } = await cluster.handoff.execute(made, { collect: ['here', 'there', 'both', 'fill'] });
    expect(results).toMatchObject({ here: 4 * length, there: 4 * length, both: 3 * length });
    expect(results['fill']).toHaveLength(length);
  });

  it('carries large arguments in its graph', async () => {
    const made = dagOf({ id: 'x', code: e.carrying, extraArgs: [length], node: 'b' });
    expect((await cluster.handoff.execute(made)).results).toEqual({ x: 2 * length });
  });

  it('fails when its graph is refused', async () => {
    const refused = dagOf({ id: 'x', code: e.refused, extraArgs: ['cycle'], node: 'b', maxRetries: 0 });
    expect(await errorOf(cluster.handoff.execute(refused))).toMatchObject({
      code: 'FUNCTION_FAILED',
      functionId: 'x',
      cause: { code: 'CYCLIC_DEPENDENCY' },
    });
  });
});

describe('a host that is killed while graphs of its functions run', () => {
  it('costs no result: lost results are recomputed inside their graphs', async () => {
    const b = await startHost({ nodes: [node('b')] });
    const handoff = await startHere({ nodes: [node('a')], join: [b.address] });
    const made = new Dag()
      .add({ id: 'list', code: t.constant, extraArgs: [Array.from({ length: 60 }, (_, i) => i)] })
      .add({ id: 'fills', code: e.fillSlowly, args: ['list'], extraArgs: [2, 20_000], map: true })
      .add({ id: 'totals', code: e.total, args: ['fills'], map: true })
      .add({ id: 'all', code: t.collect, args: ['totals'] });
    const far = record(handoff, 'function:finished');
    const down = next(handoff, 'node:down');
    const running = handoff.execute(made, { collect: ['all'] });
    await until(() => far.filter(({ node: at }) => at === 'b').length >= 5);
    await b.kill();
    await down;
    const { results } = await running;
    expect(results['all']).toEqual([Array.from({ length: 60 }, (_, i) => 4 * 20_000 * i)]);
  });
});
