import { Counter, Registry } from 'prom-client';
import { afterEach, describe, expect, it } from 'vitest';
import { Handoff } from '../../lib/index.ts';
import { collectMetrics, type CollectOptions, type Metrics } from '../../lib/metrics.ts';
import { metricsOf } from '../../lib/telemetry/metrics.ts';
import type { FeedEvent } from '../../lib/events/feed.ts';
import { Gate } from '../support/gate.ts';
import { c, dagOf, errorOf, t, thrownBy, twoNodes, useHandoff } from '../support/handoff.ts';
import { type Family, parse, sample } from './prometheus.ts';

const handoff = useHandoff();
let metrics: Metrics | undefined;
afterEach(() => {
  metrics?.stop();
  metrics = undefined;
});

function collect(options?: CollectOptions): () => Promise<Map<string, Family>> {
  metrics = collectMetrics(handoff(), options);
  return async () => parse(await metrics!.text());
}

describe('collectMetrics', () => {
  it('counts runs, and functions by name, node and outcome', async () => {
    const scrape = collect();
    await handoff().execute(
      dagOf(
        { id: 'x', code: t.one, node: 'a' },
        { id: 'y', code: t.one, node: 'b' },
        { id: 'z', code: t.add, args: ['x', 'y'], node: 'b' },
      ),
    );
    await handoff().execute(dagOf({ id: 'x', code: c.failFirst, node: 'a', maxRetries: 2 }));
    await errorOf(handoff().execute(dagOf({ id: 'x', code: t.boom, node: 'b', maxRetries: 1 })));
    const families = await scrape();
    expect(sample(families, 'handoff_runs_started_total')).toBe(3);
    expect(sample(families, 'handoff_runs_finished_total', { outcome: 'succeeded' })).toBe(2);
    expect(sample(families, 'handoff_runs_finished_total', { outcome: 'failed' })).toBe(1);
    expect(sample(families, 'handoff_runs_running')).toBe(0);
    const attempts = families
      .get('handoff_function_attempts_total')!
      .metrics.map(({ labels, value }) => [labels!['function'], labels!['node'], labels!['outcome'], Number(value)]);
    expect(attempts.sort()).toEqual([
      ['add', 'b', 'succeeded', 1],
      ['boom', 'b', 'failed', 1],
      ['boom', 'b', 'retried', 1],
      ['failFirst', 'a', 'retried', 1],
      ['failFirst', 'a', 'succeeded', 1],
      ['one', 'a', 'succeeded', 1],
      ['one', 'b', 'succeeded', 1],
    ]);
  });

  it('follows the conventions of names and types', async () => {
    const scrape = collect();
    await handoff().execute(dagOf({ id: 'x', code: t.one }));
    for (const { name, type, help } of (await scrape()).values()) {
      if (type === 'UNTYPED') continue; // samples of histograms
      expect(name).toMatch(/^handoff_[a-z_]+$/);
      expect(help).toMatch(/^[A-Z].*\.$/);
      expect(name.endsWith('_total')).toBe(type === 'COUNTER');
      expect(name).not.toMatch(/_(ms|milliseconds|mb|percent)(_|$)/);
    }
  });

  it('has histograms of how long functions took and waited, in seconds', async () => {
    const scrape = collect({ buckets: [0.001, 0.02, 10] });
    await handoff().execute(
      dagOf(
        { id: 'x', code: t.spinFor, extraArgs: [25] },
        { id: 'y', code: t.double, args: ['x'] },
        { id: 'z', code: t.double, args: ['y'] },
      ),
    );
    const families = await scrape();
    const spun = (bucket: string): number | undefined =>
      sample(families, 'handoff_function_duration_seconds_bucket', { function: 'spinFor', le: bucket });
    expect(['0.001', '0.02', '10', '+Inf'].map(spun)).toEqual([0, 0, 1, 1]);
    expect(families.get('handoff_function_duration_seconds')!.type).toBe('HISTOGRAM');
    expect(sample(families, 'handoff_function_duration_seconds_sum', { function: 'spinFor' })).toBeGreaterThanOrEqual(
      0.025,
    );
    expect(sample(families, 'handoff_function_duration_seconds_count', { function: 'double' })).toBe(2);
    expect(sample(families, 'handoff_function_queue_seconds_count', { function: 'double' })).toBe(2);
    expect(sample(families, 'handoff_function_queue_seconds_sum', { function: 'double' })).toBeGreaterThanOrEqual(0);
    expect(sample(families, 'handoff_run_duration_seconds_count', { outcome: 'succeeded' })).toBe(1);
  });

  it('counts every function of many, in batches and of workers that run ahead', async () => {
    const scrape = collect();
    const dag = dagOf(
      ...Array.from({ length: 1000 }, (_, i) => ({
        id: `f${i}`,
        code: i < 500 ? t.one : t.double,
        args: i < 500 ? [] : [`f${i - 500}`],
      })),
    );
    await handoff().execute(dag);
    await handoff().execute(dag);
    const families = await scrape();
    for (const fn of ['one', 'double']) {
      for (const name of ['handoff_function_duration_seconds_count', 'handoff_function_queue_seconds_count'])
        expect(sample(families, name, { function: fn })).toBe(1000);
    }
    expect(
      families.get('handoff_function_attempts_total')!.metrics.reduce((sum, { value }) => sum + Number(value), 0),
    ).toBe(2000);
  });

  it('counts bytes of results, crashes and restarts', async () => {
    const scrape = collect();
    const restarted = new Promise((resolve) => handoff().once('worker:restarted', resolve));
    await handoff().execute(dagOf({ id: 'x', code: t.float64, extraArgs: [100_000, 1] }));
    await errorOf(handoff().execute(dagOf({ id: 'x', code: t.exit, extraArgs: [3], maxRetries: 0, node: 'a' })));
    await restarted;
    const families = await scrape();
    expect(sample(families, 'handoff_result_stored_bytes_total')).toBe(800_000);
    expect(sample(families, 'handoff_worker_crashes_total', { node: 'a', reason: 'exit' })).toBe(1);
    expect(sample(families, 'handoff_worker_restarts_total', { node: 'a' })).toBe(1);
    expect(
      sample(families, 'handoff_function_attempts_total', { function: 'exit', outcome: 'failed', node: 'a' }),
    ).toBe(1);
  });

  it('tells what nodes have, what is claimed, and what is used, when it is scraped', async () => {
    const scrape = collect();
    const gate = new Gate();
    const held = handoff().execute(
      dagOf({ id: 'x', code: t.waitAtGate, extraArgs: [gate.memory], cost: { memory: 500 }, node: 'b' }),
    );
    await gate.arrived(1);
    const during = await scrape();
    expect(sample(during, 'handoff_runs_running')).toBe(1);
    expect(sample(during, 'handoff_nodes_up')).toBe(2);
    expect(sample(during, 'handoff_node_capability', { node: 'b', resource: 'memory' })).toBe(4000);
    expect(sample(during, 'handoff_node_claimed', { node: 'b', resource: 'memory' })).toBe(500);
    expect(sample(during, 'handoff_node_claimed', { node: 'a', resource: 'memory' })).toBe(0);
    expect(sample(during, 'handoff_heap_used_bytes')).toBeGreaterThan(1e6);
    expect(sample(during, 'handoff_thread_heap_bytes', { node: 'a', thread: '1' })).toBeGreaterThan(1e5);
    const busy = sample(during, 'handoff_event_loop_utilization_ratio')!;
    expect(busy >= 0 && busy <= 1).toBe(true);
    gate.release();
    await held;
    expect(sample(await scrape(), 'handoff_node_claimed', { node: 'b', resource: 'memory' })).toBe(0);
  });

  it('puts them into a registry that it was given, beside its others, under a prefix, and takes them out again', async () => {
    const registry = new Registry();
    const first = collectMetrics(handoff(), { registry });
    const second = collectMetrics(handoff(), { registry, prefix: 'again_' });
    await handoff().execute(dagOf({ id: 'x', code: t.one }));
    const families = parse(await second.text());
    expect(sample(families, 'handoff_runs_started_total')).toBe(1);
    expect(sample(families, 'again_runs_started_total')).toBe(1);
    expect(first.registry).toBe(registry);
    first.stop();
    expect([...parse(await registry.metrics()).keys()].filter((name) => name.startsWith('handoff_'))).toEqual([]);
    second.stop();
    expect(registry.getMetricsAsArray()).toEqual([]);
  });

  it('can still be read when the Handoff has stopped', async () => {
    const own = await Handoff.start({ nodes: [twoNodes[0]!] });
    const each = collectMetrics(own);
    await own.execute(dagOf({ id: 'x', code: t.one }));
    await own.stop();
    const families = parse(await each.text());
    expect(sample(families, 'handoff_runs_finished_total', { outcome: 'succeeded' })).toBe(1);
    expect(sample(families, 'handoff_nodes_up')).toBe(0);
    each.stop();
  });

  it.each([
    ['what is no Handoff', () => collectMetrics({} as Handoff), 'handoff'],
    [
      'a registry that is none',
      () => collectMetrics(handoff(), { registry: {} as Registry }),
      'a Registry of prom-client',
    ],
    ['a prefix that no name may begin with', () => collectMetrics(handoff(), { prefix: 'my-app-' }), 'prefix'],
    ['buckets that do not ascend', () => collectMetrics(handoff(), { buckets: [1, 1] }), 'ascending'],
    ['an unknown option', () => collectMetrics(handoff(), { bucket: [1] } as never), 'buckets'],
  ])('refuses %s', (_, act, message) => {
    expect(thrownBy(act)).toMatchObject({ code: 'INVALID_OPTION', message: expect.stringContaining(message) });
  });

  it('refuses a registry that has metrics of these names, and says how to mend it', () => {
    const registry = new Registry();
    const first = collectMetrics(handoff(), { registry });
    expect(thrownBy(() => collectMetrics(handoff(), { registry }))).toMatchObject({
      code: 'INVALID_OPTION',
      message: expect.stringContaining('a prefix of its own'),
    });
    first.stop();
  });
});

describe('metrics of a feed', () => {
  const graph = (
    dagId: string,
    names: readonly string[],
    deps: readonly (readonly number[])[],
  ): NonNullable<FeedEvent['graph']> => ({
    runId: dagId,
    dagId,
    names,
    deps,
    ids: names.map((_, i) => `f${i}`),
    code: names.map((_, i) => i),
    pins: names.map(() => null),
    cost: names.map(() => 0),
    costs: [null],
    duration: names.map(() => null),
  });
  const spans = (dagId: string, functionIds: readonly string[], times: readonly number[]): FeedEvent['event'] =>
    ({
      type: 'attempts',
      at: 0,
      runId: dagId,
      dagId,
      node: 'n',
      thread: 0,
      functionIds,
      spans: times,
      attempts: functionIds.map(() => 1),
      bytes: functionIds.map(() => 0),
      failed: [],
    }) as unknown as FeedEvent['event'];

  function fed(): {
    readonly tell: (host: string, event: object, more?: object) => void;
    readonly scrape: () => Promise<Map<string, Family>>;
  } {
    let tell: (told: FeedEvent) => void = () => {};
    const each = metricsOf({
      subscribe: (_, listener) => {
        tell = listener;
        return () => {};
      },
    });
    return {
      tell: (host, event, more) => tell({ host, event, ...more } as FeedEvent),
      scrape: async () => parse(await each.text()),
    };
  }

  it('takes the time a function waited from the latest end of what it depends on, in whatever order that is reported', async () => {
    const { tell, scrape } = fed();
    tell(
      'h',
      { type: 'run:started', at: 1000, runId: 'd', dagId: 'd', functions: 3 },
      { graph: graph('d', ['first', 'second', 'last'], [[], [], [0, 1]]) },
    );
    tell('h', spans('d', ['f2'], [5000, 5500])); // before what it depends on
    tell('h', spans('d', ['f1'], [1500, 4000]));
    tell('h', spans('d', ['f0'], [1000, 2000]));
    const families = await scrape();
    const waited = (name: string): number | undefined =>
      sample(families, 'handoff_function_queue_seconds_sum', { function: name });
    expect(['first', 'second', 'last'].map(waited)).toEqual([0, 0.5, 1]);
  });

  it('tells runs of the same id on two hosts apart', async () => {
    const { tell, scrape } = fed();
    for (const host of ['h', 'i'])
      tell(
        host,
        { type: 'run:started', at: 0, runId: 'd', dagId: 'd', functions: 1 },
        { graph: graph('d', [`on${host}`], [[]]) },
      );
    expect(sample(await scrape(), 'handoff_runs_running')).toBe(2);
    tell('i', spans('d', ['f0'], [1, 2]));
    tell('h', { type: 'run:finished', at: 3, runId: 'd', dagId: 'd', functions: 1, retries: 0, durationMs: 3 });
    const families = await scrape();
    expect(sample(families, 'handoff_function_attempts_total', { function: 'oni' })).toBe(1);
    expect(sample(families, 'handoff_runs_running')).toBe(1);
  });

  it('tells no more than 200 names of functions apart', async () => {
    const { tell, scrape } = fed();
    const names = Array.from({ length: 300 }, (_, i) => `name${i}`);
    tell(
      'h',
      { type: 'run:started', at: 0, runId: 'd', dagId: 'd', functions: 300 },
      {
        graph: graph(
          'd',
          names,
          names.map(() => []),
        ),
      },
    );
    tell(
      'h',
      spans(
        'd',
        names.map((_, i) => `f${i}`),
        names.flatMap(() => [1, 2]),
      ),
    );
    const families = await scrape();
    for (const name of ['handoff_function_attempts_total', 'handoff_function_duration_seconds_count']) {
      expect(families.get(name)!.metrics).toHaveLength(201);
      expect(sample(families, name, { function: 'other' })).toBe(100);
    }
  });

  it('continues when it receives data that makes no sense, counts how often, and counts the rest rightly', async () => {
    const { tell, scrape } = fed();
    tell(
      'h',
      { type: 'run:started', at: 0, runId: 'd', dagId: 'd', functions: 2 },
      { graph: graph('d', ['first', 'second'], [[], [0]]) },
    );
    const odd: object[] = [
      { type: 'attempts', at: 0, runId: 'd', dagId: 'd', node: 'n', thread: 0 },
      {
        ...spans('d', ['f0', 'f0'], [1, 2, 3, 4]),
        attempts: {
          get 1() {
            throw new Error('no');
          },
        },
      }, // ends in the middle
      { type: 'result:fetched', runId: 'd', dagId: 'd', functionId: 'f0', node: 'n', bytes: 'many', at: 0 },
      { type: 'result:fetched', runId: 'd', dagId: 'd', functionId: 'f0', node: 'n', bytes: -1, at: 0 },
      { type: 'run:finished', runId: 'other', dagId: 'other', functions: 1, retries: 0, durationMs: 'long', at: 0 },
    ];
    for (const event of odd) expect(() => tell('h', event)).not.toThrow();
    tell('h', { ...spans('d', ['f1'], [1, Number.NaN]), bytes: [Number.NaN] }); // passed over
    tell('h', { ...spans('d', ['f0', 'f1'], [1, 2, 3, 4]), bytes: [Number.NaN, 8] });
    const families = await scrape();
    expect(sample(families, 'handoff_events_unread_total')).toBe(odd.length);
    expect(sample(families, 'handoff_function_attempts_total', { function: 'first' })).toBe(2);
    expect(sample(families, 'handoff_function_attempts_total', { function: 'second' })).toBe(1);
    expect(sample(families, 'handoff_function_duration_seconds_sum', { function: 'second' })).toBeCloseTo(0.001);
    expect(sample(families, 'handoff_result_stored_bytes_total')).toBe(8);
    tell('h', { type: 'run:finished', runId: 'd', dagId: 'd', functions: 1, retries: 0, durationMs: 'long', at: 0 });
    expect(sample(await scrape(), 'handoff_runs_running')).toBe(0);
  });

  it('leaves nothing in a registry that refuses it, and what is there of others', async () => {
    for (const taken of [
      'handoff_worker_restarts_total',
      'handoff_node_used_bytes',
      'handoff_function_queue_seconds',
    ]) {
      const registry = new Registry();
      const other = new Counter({ name: taken, help: 'Of somebody else.', registers: [registry] });
      other.inc(7);
      expect(() => metricsOf({ subscribe: () => () => {} }, { registry, resources: async () => ({}) })).toThrow(taken);
      expect(registry.getMetricsAsArray().map(({ name }) => name)).toEqual([taken]);
      expect(sample(parse(await registry.metrics()), taken)).toBe(7);
    }
    const registry = new Registry();
    expect(() =>
      metricsOf(
        {
          subscribe: () => {
            throw new Error('not now');
          },
        },
        { registry },
      ),
    ).toThrow('not now');
    expect(registry.getMetricsAsArray()).toEqual([]);
  });

  it('has names as text, whatever is in them', async () => {
    const { tell, scrape } = fed();
    const name = 'a"b\\c\nd';
    tell(
      'h',
      { type: 'run:started', at: 0, runId: 'd', dagId: 'd', functions: 1 },
      { graph: graph('d', [name], [[]]) },
    );
    tell('h', spans('d', ['f0'], [1, 2]));
    expect(sample(await scrape(), 'handoff_function_attempts_total', { function: name })).toBe(1);
  });
});
