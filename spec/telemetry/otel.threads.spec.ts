import { context, SpanStatusCode, trace } from '@opentelemetry/api';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Dag, type EventOf, Handoff, tasks } from '../../lib/index.ts';
import { traceRuns } from '../../lib/otel.ts';
import { startTuned } from '../../lib/runtime/handoff.ts';
import { Gate } from '../support/gate.ts';
import { c, dagOf, errorOf, t, thrownBy, twoNodes, useHandoff } from '../support/handoff.ts';
import { edgesOf, functionOf, idOf, layered, linksOf, ms, split, takeSpans, tracer, traceparentOf } from './support.ts';

const o = tasks<typeof import('../fixtures/otel-tasks.ts')>(new URL('../fixtures/otel-tasks.ts', import.meta.url));
const handoff = useHandoff();
let stop = (): void => {};
beforeEach(() => {
  stop = traceRuns(handoff(), { tracer });
});
afterEach(() => {
  stop();
  takeSpans();
});

describe('a traced run', () => {
  it('is one span, and one of each function, which is its child', async () => {
    await handoff().execute(
      new Dag('traced').add({ id: 'a', code: t.one, node: 'b' }).add({ id: 'b', code: t.double, args: ['a'] }),
    );
    const { run, attempts } = split(takeSpans());
    expect(run.attributes).toMatchObject({
      'handoff.dag.id': 'traced',
      'handoff.run.functions': 2,
      'handoff.run.retries': 0,
    });
    expect(run.parentSpanContext).toBeUndefined();
    expect(attempts.map(functionOf).sort()).toEqual(['a', 'b']);
    for (const span of attempts) {
      expect(span.parentSpanContext?.spanId).toBe(idOf(run));
      expect(span.spanContext().traceId).toBe(run.spanContext().traceId);
      expect(span.status.code).toBe(SpanStatusCode.UNSET);
    }
    const a = attempts.find((span) => functionOf(span) === 'a')!;
    expect(a.name).toBe('one');
    expect(a.attributes).toMatchObject({
      'handoff.dag.id': 'traced',
      'code.function.name': 'one',
      'handoff.node': 'b',
      'handoff.attempt': 1,
      'handoff.host': 'local',
      'handoff.thread': expect.any(Number),
    });
  });

  it('is part of what is active where it is executed', async () => {
    const request = tracer.startSpan('request');
    await context.with(trace.setSpan(context.active(), request), () =>
      handoff().execute(dagOf({ id: 'a', code: t.one })),
    );
    expect(split(takeSpans()).run.parentSpanContext?.spanId).toBe(request.spanContext().spanId);
  });

  it('has the times that the threads tell', async () => {
    const told: EventOf<'attempts'>[] = [];
    const listener = (event: EventOf<'attempts'>): void => void told.push(event);
    handoff().on('attempts', listener);
    await handoff().execute(
      dagOf(
        { id: 'a', code: t.spinFor, extraArgs: [5] },
        { id: 'b', code: t.spinFor, args: ['a'] },
        { id: 'c', code: t.one },
      ),
    );
    handoff().off('attempts', listener);
    const { attempts } = split(takeSpans());
    for (const { functionIds, spans } of told) {
      for (const [k, id] of functionIds.entries()) {
        const span = attempts.find((each) => functionOf(each) === id)!;
        expect(ms(span.startTime)).toBeCloseTo(spans[2 * k]!, 3);
        expect(ms(span.endTime)).toBeCloseTo(spans[2 * k + 1]!, 3);
      }
    }
    expect(told.flatMap(({ functionIds }) => functionIds).sort()).toEqual(['a', 'b', 'c']);
  });

  it('has the attributes that were given', async () => {
    stop();
    stop = traceRuns(handoff(), { tracer, attributes: { team: 'data' } });
    await handoff().execute(dagOf({ id: 'a', code: t.one }));
    for (const span of takeSpans()) expect(span.attributes['team']).toBe('data');
  });
});

describe('links', () => {
  it('are the edges, one to one, also of functions that travel together', async () => {
    const dag = layered(12, 25);
    for (let round = 0; round < 3; round++) {
      // from the second on, what the functions take is known, and they travel in batches
      await handoff().execute(dag);
      const { attempts } = split(takeSpans());
      expect(attempts).toHaveLength(300);
      expect(linksOf(attempts)).toEqual(edgesOf(dag));
    }
  });

  it('are the edges, one to one, of workers that run ahead', async () => {
    const own = await startTuned(
      { nodes: twoNodes },
      { minMs: 1e-9, batchMs: 1e6, gangMs: 1e9, gangGrainMs: 0, gangSlackMs: -1e9 },
    );
    const end = traceRuns(own, { tracer });
    const dag = layered(10, 20);
    await own.execute(dag);
    takeSpans();
    await own.execute(dag);
    end();
    await own.stop();
    expect(linksOf(split(takeSpans()).attempts)).toEqual(edgesOf(dag));
  });

  it('are one for a result that is taken twice, and none for order and inline functions', async () => {
    await handoff().execute(
      dagOf(
        { id: 'a', code: t.one },
        { id: 'i', code: t.one, type: 'inline' },
        { id: 'b', code: t.add, args: ['a', 'i', 'a'] },
      ),
    );
    expect(linksOf(split(takeSpans()).attempts)).toEqual(['a -> b']);
  });
});

describe('an attempt that fails', () => {
  it('is a span of its own, with its error; who takes the result links to the one that gave it', async () => {
    await handoff().execute(
      dagOf({ id: 'a', code: c.failFirst, maxRetries: 1 }, { id: 'b', code: t.constant, args: ['a'] }),
    );
    const { run, attempts } = split(takeSpans());
    const [first, second] = attempts.filter((span) => functionOf(span) === 'a');
    expect([first, second].map((span) => span!.attributes['handoff.attempt'])).toEqual([1, 2]);
    expect(first!.status).toEqual({ code: SpanStatusCode.ERROR, message: 'first' });
    expect(first!.events).toMatchObject([
      {
        name: 'exception',
        attributes: { 'exception.message': 'first', 'exception.stacktrace': expect.stringContaining('failFirst') },
      },
    ]);
    expect(second!.status.code).toBe(SpanStatusCode.UNSET);
    expect(attempts.find((span) => functionOf(span) === 'b')!.links.map((link) => link.context.spanId)).toEqual([
      idOf(second!),
    ]);
    expect(run.status.code).toBe(SpanStatusCode.UNSET);
    expect(run.attributes['handoff.run.retries']).toBe(1);
  });

  it('fails its run when it is the last', async () => {
    await errorOf(handoff().execute(dagOf({ id: 'a', code: t.boom, maxRetries: 0 })));
    const { run, attempts } = split(takeSpans());
    expect(attempts.map((span) => [functionOf(span), span.status])).toEqual([
      ['a', { code: SpanStatusCode.ERROR, message: 'boom' }],
    ]);
    expect(run.status.code).toBe(SpanStatusCode.ERROR);
    expect(run.events).toMatchObject([{ attributes: { 'exception.type': 'FUNCTION_FAILED' } }]);
  });

  it.each([
    ['takes its thread with it', { code: t.exit, extraArgs: [3] }, 'WORKER_CRASHED'],
    ['takes too long', { code: t.never, timeout: 1000 }, 'FUNCTION_TIMEOUT'],
  ] as const)('is a span also when it %s', async (_, spec, code) => {
    await errorOf(handoff().execute(dagOf({ id: 'a', maxRetries: 0, ...spec })));
    const { attempts } = split(takeSpans());
    expect(attempts.map(functionOf)).toEqual(['a']);
    expect(attempts[0]!.events).toMatchObject([{ attributes: { 'exception.type': code } }]);
    expect(ms(attempts[0]!.duration)).toBeGreaterThan(0);
  });

  it('is a span when its run is aborted; what never began is none', async () => {
    // A thread that is ended before it has answered tells nothing of what it ran.
    await using patient = await Handoff.start({ nodes: twoNodes, costModel: { learn: false }, gracePeriod: 20_000 });
    const stopTracing = traceRuns(patient, { tracer });
    const seen = new Gate();
    const abort = new AbortController();
    const run = errorOf(
      patient.execute(
        dagOf(
          { id: 'a', code: c.untilAborted, extraArgs: [seen.memory] },
          { id: 'after', code: t.constant, args: ['a'] },
        ),
        { signal: abort.signal },
      ),
    );
    await seen.arrived(1);
    abort.abort();
    expect((await run).code).toBe('ABORTED');
    const { run: whole, attempts } = split(takeSpans());
    expect(whole.events).toMatchObject([{ attributes: { 'exception.type': 'ABORTED' } }]);
    expect(attempts.map((span) => [functionOf(span), span.status])).toEqual([
      ['a', { code: SpanStatusCode.ERROR, message: 'The run ended before this attempt was reported.' }],
    ]);
    stopTracing();
  });
});

describe('inside a function', () => {
  it.each(['see', 'seeLater'] as const)(
    '%s: its span is known, and what the SDK of its thread starts is its child',
    async (name) => {
      const { results } = await handoff().execute(dagOf({ id: 'a', code: o[name] }));
      const [span] = split(takeSpans()).attempts;
      expect(results['a']).toEqual({
        traceparent: traceparentOf(span!),
        child: [span!.spanContext().traceId, idOf(span!)],
      });
    },
  );

  it('each of many that travel together has its own', async () => {
    const dag = dagOf(...Array.from({ length: 200 }, (_, i) => ({ id: `f${i}`, code: o.see })));
    await handoff().execute(dag);
    takeSpans();
    const { results } = await handoff().execute(dag);
    for (const span of split(takeSpans()).attempts)
      expect(results[functionOf(span)]).toEqual({
        traceparent: traceparentOf(span),
        child: [span.spanContext().traceId, idOf(span)],
      });
  });

  it('inline functions see that of whom they are part of', async () => {
    const { results } = await handoff().execute(
      dagOf({ id: 'i', code: o.seeInside, type: 'inline' }, { id: 'a', code: o.constant, args: ['i'] }),
    );
    const [span] = split(takeSpans()).attempts;
    expect(results['a']).toEqual({
      traceparent: traceparentOf(span!),
      child: [span!.spanContext().traceId, idOf(span!)],
    });
  });

  it('each attempt has its own, also where a predicate decides about it', async () => {
    const { results } = await handoff().execute(
      dagOf({ id: 'a', code: o.failFirst, retryIf: o.always, maxRetries: 1 }),
    );
    const { attempts } = split(takeSpans());
    expect(attempts).toHaveLength(2);
    expect(results['a']).toMatchObject({ traceparent: traceparentOf(attempts[1]!) });
  });

  it('nothing is left active behind it', async () => {
    await handoff().execute(dagOf({ id: 'a', code: o.seeLater }));
    stop();
    const many = dagOf(...Array.from({ length: 8 }, (_, i) => ({ id: `f${i}`, code: o.isActive })));
    expect(Object.values((await handoff().execute(many)).results)).toEqual(Array.from({ length: 8 }, () => false));
  });
});

describe('without a tracer', () => {
  it('functions have no part in a trace', async () => {
    stop();
    const { results } = await handoff().execute(dagOf({ id: 'a', code: o.see }));
    expect(results['a']).toEqual({ traceparent: undefined, child: [expect.any(String), undefined] });
    expect(takeSpans()).toEqual([]);
  });

  it('and without an SDK, nothing happens', async () => {
    stop();
    stop = traceRuns(handoff());
    const { results } = await handoff().execute(dagOf({ id: 'a', code: o.see }));
    expect(results['a']).toMatchObject({ traceparent: undefined });
  });

  it('a run that was under way before is none of its', async () => {
    stop();
    const seen = new Gate();
    const abort = new AbortController();
    const run = errorOf(
      handoff().execute(dagOf({ id: 'a', code: c.untilAborted, extraArgs: [seen.memory] }), { signal: abort.signal }),
    );
    await seen.arrived(1);
    stop = traceRuns(handoff(), { tracer });
    abort.abort();
    expect((await run).code).toBe('ABORTED');
    expect(takeSpans()).toEqual([]);
  });

  it('a run that is under way when it ends has a span until then', async () => {
    const seen = new Gate();
    const abort = new AbortController();
    const run = errorOf(
      handoff().execute(dagOf({ id: 'a', code: c.untilAborted, extraArgs: [seen.memory] }), { signal: abort.signal }),
    );
    await seen.arrived(1);
    stop();
    abort.abort();
    expect((await run).code).toBe('ABORTED');
    expect(takeSpans().map(({ name, status }) => [name, status.code])).toEqual([['handoff.run', SpanStatusCode.UNSET]]);
  });
});

describe('traceRuns refuses', () => {
  it('a second tracer', () => {
    expect(thrownBy(() => traceRuns(handoff(), { tracer }))).toMatchObject({
      code: 'INVALID_OPTION',
      message: expect.stringContaining('already traced'),
    });
    stop();
    stop = traceRuns(handoff(), { tracer });
  });

  it.each([
    ['a tracer that is none', { tracer: {} }, 'option tracer must be a Tracer'],
    ['an option that does not exist', { trace: tracer }, 'did you mean'],
  ])('%s', (_, options, message) => {
    stop();
    expect(thrownBy(() => traceRuns(handoff(), options as any))).toMatchObject({
      code: 'INVALID_OPTION',
      message: expect.stringMatching(new RegExp(message, 'i')),
    });
  });

  it('what is no Handoff', () => {
    expect(thrownBy(() => traceRuns({} as Handoff))).toMatchObject({
      code: 'INVALID_OPTION',
      message: expect.stringContaining('handoff'),
    });
  });
});
