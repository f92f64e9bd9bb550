import { afterEach, describe, expect, it } from 'vitest';
import { tasks } from '../../lib/index.ts';
import { collectMetrics } from '../../lib/metrics.ts';
import { traceRuns } from '../../lib/otel.ts';
import { dagOf, t } from '../support/handoff.ts';
import { useCluster } from '../support/hosts.ts';
import { parse, sample } from './prometheus.ts';
import { edgesOf, functionOf, idOf, layered, linksOf, split, takeSpans, tracer, traceparentOf } from './support.ts';

const o = tasks<typeof import('../fixtures/otel-tasks.ts')>(new URL('../fixtures/otel-tasks.ts', import.meta.url));
const cluster = useCluster(
  { nodes: [{ name: 'here', capabilities: { cpu: 2 }, threads: 2 }] },
  { nodes: [{ name: 'far', capabilities: { cpu: 2, gpu: 1 }, threads: 2 }] },
);
let stop = (): void => {};
afterEach(() => {
  stop();
  takeSpans();
});

describe('a traced run over two hosts', () => {
  it('reaches into functions on the other, whose spans say where they ran', async () => {
    stop = traceRuns(cluster.handoff, { tracer });
    const dag = dagOf(
      { id: 'a', code: o.see, node: 'far' },
      { id: 'b', code: o.see, args: ['a'], node: 'here' },
      { id: 'c', code: o.see, args: ['a', 'b'], node: 'far' },
    );
    const { results } = await cluster.handoff.execute(dag);
    const { run, attempts } = split(takeSpans());
    expect(attempts).toHaveLength(3);
    for (const span of attempts) {
      expect(span.parentSpanContext?.spanId).toBe(idOf(run));
      expect(results[functionOf(span)]).toEqual({
        traceparent: traceparentOf(span),
        child: [run.spanContext().traceId, idOf(span)],
      });
    }
    expect(linksOf(attempts)).toEqual(edgesOf(dag));
    const hosts = Object.fromEntries(
      attempts.map((span) => [functionOf(span), [span.attributes['handoff.host'], span.attributes['handoff.node']]]),
    );
    expect(hosts).toEqual({
      a: [cluster.hosts[0]!.address, 'far'],
      b: [cluster.handoff.address, 'here'],
      c: [cluster.hosts[0]!.address, 'far'],
    });
  });

  it('has a link for each edge, of many functions too', async () => {
    stop = traceRuns(cluster.handoff, { tracer });
    const dag = layered(6, 40);
    for (let round = 0; round < 2; round++) {
      await cluster.handoff.execute(dag);
      expect(linksOf(split(takeSpans()).attempts)).toEqual(edgesOf(dag));
    }
  });

  it('is reported by the host that executes it alone', async () => {
    stop = traceRuns(cluster.handoff, { tracer });
    const { results } = await cluster.hosts[0]!.execute(
      dagOf({ id: 'a', code: o.see, node: 'here' }, { id: 'b', code: t.one, node: 'far' }),
    );
    expect(results['a']).toMatchObject({ traceparent: undefined });
    expect(takeSpans()).toEqual([]);
  });
});

describe('metrics over two hosts', () => {
  it('count the runs of their own host, with functions by the node they ran on, and see all nodes', async () => {
    const metrics = collectMetrics(cluster.handoff);
    await cluster.handoff.execute(
      dagOf({ id: 'a', code: t.float64, extraArgs: [50_000, 1], node: 'far' }, { id: 'b', code: t.one, node: 'here' }),
    );
    await cluster.hosts[0]!.execute(dagOf({ id: 'a', code: t.double, extraArgs: [1], node: 'here' }));
    const families = parse(await metrics.text());
    metrics.stop();
    expect(sample(families, 'handoff_runs_started_total')).toBe(1);
    expect(
      sample(families, 'handoff_function_attempts_total', { function: 'float64', node: 'far', outcome: 'succeeded' }),
    ).toBe(1);
    expect(sample(families, 'handoff_function_attempts_total', { function: 'one', node: 'here' })).toBe(1);
    expect(sample(families, 'handoff_function_attempts_total', { function: 'double' })).toBeUndefined();
    expect(sample(families, 'handoff_result_fetched_bytes_total')).toBe(400_000);
    expect(sample(families, 'handoff_nodes_up')).toBe(2);
    expect(sample(families, 'handoff_node_capability', { node: 'far', resource: 'gpu' })).toBe(1);
  });
});
