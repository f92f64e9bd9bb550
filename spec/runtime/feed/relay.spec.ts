/** What one host tells another: in order, in few messages, and no more waiting than there is room for. */
import { setImmediate as turn } from 'node:timers/promises';
import { deserialize, serialize } from 'node:v8';
import { describe, expect, it } from 'vitest';
import { type EventType, HandoffError, type HandoffEvent } from '../../../lib/index.ts';
import type { RunGraph } from '../../../lib/events/run-graph.ts';
import type { OwnEvent, OwnRun } from '../../../lib/runtime/feed/local-events.ts';
import { Relay, type RelayLimits } from '../../../lib/runtime/feed/relay.ts';
import {
  type EventWire,
  fromEarlierWire,
  fromEventWire,
  fromGraphWire,
  toEarlierWire,
  toEventWire,
  toGraphWire,
  type UnderWayWire,
  type Wire,
} from '../../../lib/runtime/feed/event-wire.ts';

/** A host that takes in a message when it is let. */
class Reader {
  readonly messages: { readonly events: readonly Wire[]; readonly dropped: number }[] = [];
  readonly #pending: PromiseWithResolvers<void>[] = [];
  #listener: ((own: OwnEvent) => void) | undefined;
  wanted: EventType[] = [];
  readonly relay: Relay;

  constructor(limits: Partial<RelayLimits> = {}, underWay: readonly OwnRun[] = []) {
    this.relay = new Relay(
      {
        listen: (types, listener) => {
          this.wanted = [...types];
          this.#listener = listener;
          return () => (this.#listener = undefined);
        },
        underWay: () => underWay,
        send: (events, dropped) => {
          this.messages.push({ events, dropped });
          const taken = Promise.withResolvers<void>();
          this.#pending.push(taken);
          return taken.promise;
        },
      },
      { interval: 0, batchWeight: 1_000_000, maxWeight: 1_000_000, maxBytes: 1e9, ...limits },
    );
  }

  tell(event: HandoffEvent): void {
    this.#listener?.({ event });
  }

  /** Lets it take in what it was sent. */
  async take(): Promise<void> {
    this.#pending.shift()!.resolve();
    await turn();
  }

  async fail(error: Error): Promise<void> {
    this.#pending.shift()!.reject(error);
    await turn();
  }

  get events(): HandoffEvent[] {
    return this.messages.flatMap(({ events }) => events.flatMap((wire) => ('event' in wire ? wire.event : [])));
  }

  /** Is told that nothing is under way, and wants to know what follows. */
  async begin(): Promise<void> {
    this.relay.want(all);
    await this.take();
    this.messages.length = 0;
  }

  get isListening(): boolean {
    return this.#listener !== undefined;
  }
}

const log = (at: number): HandoffEvent => ({
  type: 'function:log',
  at,
  runId: 'd',
  dagId: 'd',
  functionId: 'f',
  node: 'a',
  attempt: 1,
  values: [at],
});
const finished = (at: number): HandoffEvent => ({
  type: 'run:finished',
  at,
  runId: `d${at}`,
  dagId: `d${at}`,
  functions: 1,
  retries: 0,
  durationMs: 1,
});
const spans = (at: number, count: number): HandoffEvent => ({
  type: 'attempts',
  at,
  runId: 'd',
  dagId: 'd',
  node: 'a',
  thread: 0,
  functionIds: Array.from({ length: count }, (_, k) => `${at}.${k}`),
  attempts: Array<number>(count).fill(1),
  spans: Array<number>(2 * count).fill(at),
  bytes: Array<number>(count).fill(0),
  failed: [],
});
const failed = (at: number, error: unknown): HandoffEvent => ({
  type: 'function:failed',
  at,
  runId: 'd',
  dagId: 'd',
  functionId: 'f',
  node: 'a',
  attempt: 1,
  error,
});
const none = { grown: [], done: [], skipped: [], failed: [] };
const graphOf = (ids: readonly string[], deps: readonly (readonly number[])[] = ids.map(() => [])): RunGraph => ({
  runId: 'd',
  dagId: 'd',
  ids,
  code: ids.map(() => 0),
  names: ['n'],
  deps,
  pins: ids.map(() => null),
  cost: ids.map(() => 0),
  costs: [null],
  duration: ids.map(() => null),
});
const all: readonly EventType[] = ['attempts', 'function:log', 'run:finished', 'run:started'];

describe('a relay', () => {
  it('sends what has gathered as one message after the last one was acknowledged, in order', async () => {
    const reader = new Reader();
    await reader.begin();
    for (let at = 1; at <= 100; at++) reader.tell(at % 10 === 0 ? spans(at, 5) : log(at));
    expect(reader.messages.map(({ events }) => events.length)).toEqual([1]);
    await reader.take();
    expect(reader.messages.map(({ events }) => events.length)).toEqual([1, 99]);
    expect(reader.events.map(({ at }) => at)).toEqual(Array.from({ length: 100 }, (_, k) => k + 1));
    reader.relay.stop();
  });

  it('drops the oldest spans when the reader is slow, counts them, and never drops the end of a run', async () => {
    const reader = new Reader({ maxWeight: 1000 });
    await reader.begin();
    reader.tell(log(0));
    for (let at = 1; at <= 500; at++) reader.tell(at % 50 === 0 ? finished(at) : spans(at, 10));
    await reader.take();
    const { dropped } = reader.messages[1]!;
    const events = reader.events.slice(1);
    const kept = events.filter(({ type }) => type === 'attempts');
    expect(kept.length * 10).toBeLessThanOrEqual(1000);
    expect(kept.length * 10).toBeGreaterThanOrEqual(800);
    expect(kept.length * 10 + dropped).toBe(490 * 10);
    expect(kept.map(({ at }) => at)).toEqual(
      Array.from({ length: 500 }, (_, k) => k + 1)
        .filter((at) => at % 50 !== 0)
        .slice(-kept.length),
    );
    expect(events.filter(({ type }) => type === 'run:finished').map(({ at }) => at)).toEqual(
      Array.from({ length: 10 }, (_, k) => 50 * (k + 1)),
    );
    reader.relay.stop();
  });

  it('never holds more events than its limit, of whatever types', async () => {
    const reader = new Reader({ maxWeight: 100 });
    await reader.begin();
    for (let at = 0; at < 10_000; at++) reader.tell(log(at));
    await reader.take();
    const { events, dropped } = reader.messages[1]!;
    expect(events.length).toBeLessThanOrEqual(100);
    expect(events.length + dropped).toBe(9999);
    expect(reader.events.at(-1)!.at).toBe(9999);
    reader.relay.stop();
  });

  it('counts what a reader refused as dropped, and goes on', async () => {
    const reader = new Reader();
    await reader.begin();
    reader.tell(spans(1, 7));
    reader.tell(log(2));
    await reader.fail(new Error('no'));
    expect(reader.messages[1]).toMatchObject({ dropped: 7, events: [{ event: { at: 2 } }] });
    reader.relay.stop();
  });

  it('reports runs also after a message that could not be sent, each once', async () => {
    const reader = new Reader();
    await reader.begin();
    reader.tell(finished(1));
    reader.tell(spans(2, 7));
    reader.tell(finished(3));
    reader.tell(log(4));
    await reader.fail(new Error('too long'));
    expect(reader.messages[1], 'of the first message, and what came meanwhile').toMatchObject({
      dropped: 0,
      events: [{ event: { at: 1 } }, { event: { at: 2 } }, { event: { at: 3 } }, { event: { at: 4 } }],
    });
    await reader.fail(new Error('too long'));
    expect(reader.messages[2]).toMatchObject({ dropped: 8, events: [{ event: { at: 1 } }, { event: { at: 3 } }] });
    await reader.take();
    reader.tell(log(5));
    expect(reader.messages[3]).toMatchObject({ dropped: 0, events: [{ event: { at: 5 } }] });
    reader.relay.stop();
  });

  it('reports a run without its graph when the graph cannot be sent, and gives up in the end', async () => {
    const graph = graphOf(['a']);
    const reader = new Reader({}, [
      {
        event: { type: 'run:started', at: 1, runId: 'd', dagId: 'd', functions: 1 },
        graph: () => graph,
        earlier: none,
      },
    ]);
    reader.relay.want(all);
    const graphs = (): unknown[] =>
      reader.messages.map(({ events }) =>
        (events as UnderWayWire[]).map(({ underWay }) => underWay[0]!.graph !== undefined),
      );
    await reader.fail(new Error('too long'));
    await reader.fail(new Error('too long'));
    expect(graphs()).toEqual([[true], [true], [false]]);
    await reader.fail(new Error('too long'));
    reader.tell(log(2));
    expect(reader.messages).toHaveLength(4);
    expect(reader.messages[3]).toMatchObject({ dropped: 1, events: [{ event: { at: 2 } }] });
    reader.relay.stop();
  });

  it('never holds more bytes than its limit, of few large events', async () => {
    const reader = new Reader({ maxBytes: 1_000_000 });
    await reader.begin();
    reader.tell(finished(0));
    for (let at = 1; at <= 500; at++)
      reader.tell(
        at % 2 === 0
          ? ({ ...log(at), values: ['x'.repeat(5000)] } as HandoffEvent)
          : failed(at, new Error('y'.repeat(5000))),
      );
    await reader.take();
    const { events, dropped } = reader.messages[1]!;
    expect(serialize(events).byteLength).toBeLessThan(1_100_000);
    expect(events.length).toBeGreaterThan(50);
    expect(events.length + dropped).toBe(500);
    expect(reader.events.at(-1)!.at).toBe(500);
    reader.relay.stop();
  });

  it('bounds what it holds and sends for a peer that subscribes again and again', async () => {
    const reader = new Reader();
    await reader.begin();
    reader.tell(log(0));
    for (let at = 1; at <= 100; at++) {
      for (let again = 0; again < 10; again++) reader.relay.want(all);
      reader.tell(log(at));
    }
    expect(reader.messages).toHaveLength(1);
    reader.relay.stop();
    for (let again = 0; again < 10; again++) reader.relay.want(all);
    expect(reader.messages, 'nor when it stops and begins anew').toHaveLength(1);
    await reader.take();
    expect(reader.messages[1]!.events).toHaveLength(1);
    for (let at = 1; at <= 100; at++) {
      reader.relay.want(all);
      reader.tell(log(at));
    }
    await reader.take();
    const { events } = reader.messages[2]!;
    expect(events.filter((wire) => 'event' in wire)).toHaveLength(100);
    expect(events.filter((wire) => 'underWay' in wire).length).toBeLessThanOrEqual(5);
    expect('underWay' in events.at(-2)!, 'who came last hears all of it').toBe(true);
    reader.relay.stop();
  });

  it('reports running runs and their finished functions after each subscription; graphs once', async () => {
    const graph = graphOf(['a', 'b', 'c'], [[], [0], [0, 1]]);
    const earlier = { ...none, done: [0, 2], skipped: [1] };
    const reader = new Reader({}, [
      { event: { type: 'run:started', at: 1, runId: 'd', dagId: 'd', functions: 3 }, graph: () => graph, earlier },
    ]);
    reader.relay.want(['run:started']);
    reader.relay.want(['run:started', 'attempts']);
    expect(reader.wanted).toEqual(['run:started', 'attempts']);
    reader.tell(spans(2, 1));
    await reader.take();
    const [first, again, last] = reader.messages.flatMap(({ events }) => events) as [
      UnderWayWire,
      UnderWayWire,
      EventWire,
    ];
    expect(first).toMatchObject({
      underWay: [{ event: { type: 'run:started', at: 1 }, earlier: toEarlierWire(earlier) }],
    });
    expect(
      fromGraphWire(structuredClone(first.underWay[0]!.graph!), { runId: 'd', dagId: 'd', functions: 3 })!(),
    ).toEqual(graph);
    expect(again).toEqual({ underWay: [{ event: first.underWay[0]!.event, earlier: toEarlierWire(earlier) }] });
    expect(last).toMatchObject({ event: { type: 'attempts' } });
    reader.relay.stop();
  });

  it('listens to nothing, and sends nothing, once it is stopped', async () => {
    const reader = new Reader();
    await reader.begin();
    reader.tell(log(1));
    reader.tell(log(2));
    reader.relay.stop();
    expect(reader.isListening).toBe(false);
    await reader.take();
    expect(reader.messages).toHaveLength(1);
  });
});

describe('an event on its way', () => {
  const send = (event: HandoffEvent, offset = 0): any => fromEventWire(structuredClone(toEventWire(event)), offset);

  it('arrives unchanged, with its times corrected', () => {
    expect(send(spans(1000, 2), 400)).toEqual({ ...spans(1000, 2), at: 600, spans: [600, 600, 600, 600] });
    expect(send(log(1000), -400)).toEqual({ ...log(1000), at: 1400, values: [1000] });
  });

  it('keeps the class, code, plain fields and cause of an error', () => {
    const error = Object.assign(new RangeError('far', { cause: new TypeError('near') }), {
      code: 'E_FAR',
      errno: -3,
      at: { x: 1 },
    });
    const { error: told } = send(failed(1, error));
    expect(told).toBeInstanceOf(RangeError);
    expect(told).toMatchObject({
      message: 'far',
      code: 'E_FAR',
      errno: -3,
      stack: error.stack,
      cause: { message: 'near' },
    });
    expect(told.cause).toBeInstanceOf(TypeError);
    expect(told).not.toHaveProperty('at');
    const ours = send(
      failed(
        1,
        new HandoffError('FUNCTION_FAILED', 'It failed.', { functionId: 'f', attempts: 2, node: 'a', dagId: 'd' }),
      ),
    ).error;
    expect(ours).toBeInstanceOf(HandoffError);
    expect({ ...ours }).toEqual({ code: 'FUNCTION_FAILED', functionId: 'f', attempts: 2, node: 'a', dagId: 'd' });
    expect(send(failed(1, new AggregateError([new Error('one'), new Error('two')], 'both'))).error).toMatchObject({
      message: 'both',
      errors: [{ message: 'one' }, { message: 'two' }],
    });
    expect([undefined, null, 1, 'text', { x: 1 }].map((thrown) => send(failed(1, thrown)).error)).toEqual([
      undefined,
      null,
      1,
      'text',
      '{ x: 1 }',
    ]);
  });

  it('holds no results of a failed run, and does not read them', () => {
    const results = Object.defineProperty({}, 'large', {
      enumerable: true,
      get: () => expect.unreachable('results were read'),
    });
    const failures = Array.from({ length: 10_000 }, () => new HandoffError('FUNCTION_FAILED', 'one'));
    const wire = toEventWire({
      type: 'run:failed',
      at: 1,
      runId: 'd',
      dagId: 'd',
      durationMs: 1,
      error: new HandoffError('FUNCTION_FAILED', 'all', { failures, results, dagId: 'd' }),
    });
    expect(serialize(wire).byteLength).toBeLessThan(5000);
    expect(fromEventWire(structuredClone(wire), 0)).toMatchObject({
      error: { code: 'FUNCTION_FAILED', message: 'all', dagId: 'd' },
    });
  });

  it('is short, however long or deep an error is, and whatever is logged', () => {
    const nested = Array.from({ length: 100 }).reduce<Error>(
      (cause, _, k) => new Error(`level ${k}: ${'m'.repeat(100_000)}`, { cause }),
      new Error('first'),
    );
    expect(serialize(toEventWire(failed(1, nested))).byteLength).toBeLessThan(200_000);
    let told = send(failed(1, nested)).error;
    expect(told.stack).toContain('    at ');
    for (let depth = 0; depth < 5; depth++) {
      expect(told.message).toMatch(new RegExp(`^level ${99 - depth}: m.*… \\(100\\d{3} characters\\)$`));
      told = told.cause;
    }
    expect(told).toMatch(/^\[Error: level 94/);
    const wide = new AggregateError(
      Array.from({ length: 1000 }, () => new AggregateError(Array.from({ length: 1000 }, () => nested))),
      'w'.repeat(1e6),
    );
    expect(
      serialize(
        toEventWire(
          failed(
            1,
            Object.assign(
              wide,
              Object.fromEntries(Array.from({ length: 1000 }, (_, k) => [`k${k}`, 'v'.repeat(100_000)])),
            ),
          ),
        ),
      ).byteLength,
    ).toBeLessThan(400_000);
    const values = [
      's'.repeat(1e7),
      Array.from({ length: 100_000 }, (_, k) => k),
      5,
      Symbol('s'),
      ...Array.from({ length: 100_000 }, () => 'x'),
    ];
    const wire = toEventWire({ ...log(1), values } as HandoffEvent);
    expect(serialize(wire).byteLength).toBeLessThan(100_000);
    expect((fromEventWire(structuredClone(wire), 0) as any).values.slice(0, 4)).toEqual([
      expect.stringMatching(/^s{10000}… \(10000000 characters\)$/),
      expect.stringMatching(/^\[object, of \d+ bytes\]$/),
      5,
      'Symbol(s)',
    ]);
  });

  it('holds as text what no message can carry', () => {
    const logged = send({ ...log(1), values: [1, Symbol('s'), new SharedArrayBuffer(8), () => 1] } as HandoffEvent);
    expect(logged.values.map((value: unknown) => typeof value)).toEqual(['number', 'string', 'string', 'string']);
    const error = Object.assign(new Error('held'), { buffer: new SharedArrayBuffer(8) });
    expect(
      send({ type: 'function:failed', at: 1, runId: 'd', dagId: 'd', functionId: 'f', node: 'a', attempt: 1, error })
        .error.message,
    ).toBe('held');
  });

  const through = (wire: unknown): any => deserialize(serialize(wire)); // as it comes, lists with holes and all
  const holes: unknown[] = [];
  holes.length = 4_000_000_000;
  const run = { type: 'run:finished', at: 1, runId: 'd', dagId: 'd', functions: 1, retries: 0, durationMs: 1 };
  const span = {
    type: 'attempts',
    at: 1,
    runId: 'd',
    dagId: 'd',
    node: 'a',
    thread: 0,
    functionIds: ['a'],
    indexes: [0],
    attempts: [1],
    spans: [1, 2],
    bytes: [0],
    failed: [],
  };
  const error = {
    type: 'run:failed',
    at: 1,
    runId: 'd',
    dagId: 'd',
    durationMs: 1,
    error: { kind: 'value', value: 1 },
  };
  const logged = {
    type: 'function:log',
    at: 1,
    runId: 'd',
    dagId: 'd',
    functionId: 'f',
    node: 'a',
    attempt: 1,
    values: serialize([1]),
  };

  it('is accepted when it is valid, without fields that this version does not know', () => {
    for (const event of [run, span, error, logged])
      expect(fromEventWire(through({ event: { ...event, later: { toString: 1 } } }), 0)).toMatchObject({
        type: event.type,
      });
    expect(fromEventWire(through({ event: { ...run, later: 1 } }), 0)).not.toHaveProperty('later');
  });

  it.each([
    undefined,
    null,
    1,
    {},
    { event: null },
    { event: { type: 'nothing', at: 1 } },
    { event: { ...run, type: ['run:finished'] } },
    { event: { ...run, type: { toString: 1 } } },
    { event: { ...run, type: 'constructor' } },
    { event: { ...run, at: '1' } },
    { event: { ...run, at: NaN } },
    { event: { ...run, at: 1e300 } },
    { event: { ...run, at: { valueOf: 1 } } },
    { event: { ...run, dagId: undefined } },
    { event: { ...run, dagId: {} } },
    { event: { ...run, functions: -1 } },
    { event: { ...run, functions: 0.5 } },
    { event: { ...run, durationMs: NaN } },
    { event: { ...run, durationMs: -1 } },
    { event: { ...run, retries: '0' } },
    { event: { type: 'node:up', at: 1, node: 'a', capabilities: {}, threads: 1 } },
    { event: { ...span, functionIds: ['a', 'b'] } },
    { event: { ...span, functionIds: [1] } },
    { event: { ...span, functionIds: 'a' } },
    { event: { ...span, node: 1 } },
    { event: { ...span, thread: -1 } },
    { event: { ...span, spans: [1] } },
    { event: { ...span, spans: [2, 1] } },
    { event: { ...span, spans: [1, '2'] } },
    { event: { ...span, spans: [1, Infinity] } },
    { event: { ...span, spans: null } },
    { event: { ...span, bytes: [-1] } },
    { event: { ...span, attempts: [null] } },
    { event: { ...span, failed: [1] } },
    { event: { ...span, failed: [0, 0] } },
    { event: { ...span, indexes: [-1] } },
    { event: { ...span, indexes: [] } },
    { event: { ...span, indexes: 'a' } },
    { event: { ...error, error: undefined } },
    { event: { ...error, error: null } },
    { event: { ...error, error: { kind: 'error' } } },
    { event: { ...error, error: { kind: 'error', base: 'Error', className: 'E', name: 'E', message: 1, fields: {} } } },
    { event: { ...logged, values: [1] } },
    { event: { ...logged, values: new Uint8Array(5) } },
    { event: { ...logged, values: serialize('text') } },
    { event: { type: 'result:fetched', at: 1, runId: 'd', dagId: 'd', functionId: 'f', node: 'a', bytes: NaN } },
  ])('that is invalid is ignored: %j', (wire) => {
    expect(fromEventWire(through(wire), 0)).toBeUndefined();
  });

  it('with a wrong length is ignored at once', () => {
    for (const field of ['functionIds', 'attempts', 'spans', 'bytes', 'failed', 'indexes'])
      expect(fromEventWire({ event: { ...span, [field]: holes } } as never, 0)).toBeUndefined();
    expect(fromEventWire({ event: { ...logged, values: serialize(holes) } } as never, 0)).toBeUndefined();
  });

  it('has a harmless error, whatever arrives as one', () => {
    const told = {
      kind: 'error',
      base: 'constructor',
      className: 'E',
      name: 'E',
      message: 'm',
      stack: undefined,
      errors: 5,
      cause: undefined as unknown,
      fields: {
        toString: { kind: 'value', value: 1 },
        message: { kind: 'value', value: {} },
        code: { kind: 'value', value: 'C' },
        deep: { kind: 'value', value: {} },
        none: null,
      },
    };
    told.cause = told;
    const { error: made } = fromEventWire({ event: { ...error, error: told } } as never, 0) as any;
    expect(made).toBeInstanceOf(Error);
    expect(String(made)).toBe('E: m');
    expect({ ...made }).toEqual({ code: 'C' });
    let depth = 0;
    for (let each = made; each !== undefined && depth < 1000; each = each.cause) depth++;
    expect(depth).toBeLessThan(20);
    expect(
      (fromEventWire(through({ event: { ...error, error: { kind: 'value', value: { toString: 1 } } } }), 0) as any)
        .error,
    ).toBe('[object]');
    expect(
      (
        fromEventWire(
          {
            event: {
              ...error,
              error: { ...told, base: 'HandoffError', cause: undefined, fields: { code: { kind: 'value', value: 5 } } },
            },
          } as never,
          0,
        ) as any
      ).error.code,
    ).toBe('FUNCTION_FAILED');
  });
});

describe('a graph on its way', () => {
  const of = { runId: 'd', dagId: 'd', functions: 3 };
  const wire = (): any => deserialize(serialize(toGraphWire(graphOf(['a', 'b', 'c'], [[1, 2], [2], []]))));

  it('arrives as it was, in whatever order functions were added', () => {
    expect(fromGraphWire(wire(), of)!()).toEqual(graphOf(['a', 'b', 'c'], [[1, 2], [2], []]));
  });

  it.each([
    ['nothing', () => null],
    ['a text', () => 'graph'],
    ['of another run', () => ({ ...wire(), dagId: 'e' })],
    ['of more functions', () => ({ ...wire(), ids: ['a', 'b', 'c', 'd'] })],
    ['with ids that are no texts', () => ({ ...wire(), ids: ['a', 'b', 3] })],
    ['without ids', () => ({ ...wire(), ids: undefined })],
    ['of code without a name', () => ({ ...wire(), code: [0, 0, 1] })],
    ['with half a code', () => ({ ...wire(), code: [0, 0, 0.5] })],
    ['with too little code', () => ({ ...wire(), code: [0] })],
    ['with names that are none', () => ({ ...wire(), names: [{}] })],
    ['with pins that are none', () => ({ ...wire(), pins: [1, null, null] })],
    ['with costs that are none', () => ({ ...wire(), costs: [{ cpu: 'x' }] })],
    ['with a cost that is not there', () => ({ ...wire(), cost: [0, 0, 9] })],
    ['with a duration that is none', () => ({ ...wire(), duration: [NaN, null, null] })],
    ['with edges in a list', () => ({ ...wire(), edges: [1, 2, 2] })],
    ['with edges to nowhere', () => ({ ...wire(), edges: Int32Array.of(1, 3, 2) })],
    ['with edges from nowhere', () => ({ ...wire(), edges: Int32Array.of(1, -1, 2) })],
    ['with too few edges', () => ({ ...wire(), edges: Int32Array.of(1, 2) })],
    ['with offsets that go back', () => ({ ...wire(), offset: Int32Array.of(0, 3, 2, 3) })],
    ['with offsets that go beyond', () => ({ ...wire(), offset: Int32Array.of(0, 2_000_000_000, 2_000_000_000, 3) })],
    ['with too few offsets', () => ({ ...wire(), offset: Int32Array.of(0, 3) })],
    ['with a circle', () => ({ ...wire(), edges: Int32Array.of(1, 2, 0) })],
    ['with a function that takes its own result', () => ({ ...wire(), edges: Int32Array.of(0, 2, 2) })],
  ])('%s is none', (_, malformed) => {
    expect(fromGraphWire(malformed(), of)).toBeUndefined();
  });

  describe('comes with what has become of the run', () => {
    const ofRun = { at: 5, runId: 'd', dagId: 'd' };
    const grown = [
      { ...ofRun, type: 'run:grown', functionId: 'a', count: 2 },
      { ...ofRun, type: 'run:grown', functionId: 'b', count: 1, graph: { ids: ['x'], names: ['n'], deps: [[]] } },
    ] as const;
    const earlier = { grown, done: [2, 0, 5], skipped: [1], failed: [4] };
    const onWire = (): any => deserialize(serialize(toEarlierWire(earlier)));

    it('which arrives by the clock of the reader, with functions that it has grown by', () => {
      expect(fromEarlierWire(onWire(), of, 2)).toEqual({
        ...earlier,
        grown: grown.map((each) => ({ ...each, at: 3 })),
      });
    });

    it('or with nothing when it could not be sent', () => {
      expect(fromEarlierWire(undefined, of, 0)).toEqual(none);
    });

    it.each<[string, () => unknown]>([
      ['null', () => null],
      ['a text', () => 'earlier'],
      ['without what it has grown by', () => ({ ...onWire(), grown: undefined })],
      ['grown by something else', () => ({ ...onWire(), grown: [{ ...grown[0], type: 'run:finished' }] })],
      ['grown by an event that is malformed', () => ({ ...onWire(), grown: [{ ...grown[0], count: -1 }] })],
      ['grown by more than any run has', () => ({ ...onWire(), grown: [{ ...grown[0], count: 1e9 }] })],
      ['grown by more than its graph has', () => ({ ...onWire(), grown: [grown[0], { ...grown[1], count: 2 }] })],
      [
        'grown by too much in several steps',
        () => ({ ...onWire(), grown: Array.from({ length: 9 }, () => ({ ...grown[0], count: 2 ** 21 })) }),
      ],
      ['grown by what another run has grown by', () => ({ ...onWire(), grown: [{ ...grown[0], runId: 'e' }] })],
      ['with a function that it has not grown by', () => ({ ...onWire(), grown: [] })],
      ...(['done', 'skipped', 'failed'] as const).flatMap((field) =>
        [undefined, [0], Int32Array.of(6), Int32Array.of(-1), Int32Array.of(0, 1, 2, 3, 4, 5, 0)].map(
          (value): [string, () => unknown] => [
            `with ${String(value)} as ${field}`,
            () => ({ ...onWire(), [field]: value }),
          ],
        ),
      ),
    ])('%s is none', (_, malformed) => {
      expect(fromEarlierWire(malformed(), of, 0)).toBeUndefined();
    });
  });
});
