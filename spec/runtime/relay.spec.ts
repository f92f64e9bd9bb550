/** What one host tells another: in order, in few messages, and no more waiting than there is room for. */
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { EventType, HandoffEvent } from '../../lib/index.ts';
import type { OwnEvent, OwnRun } from '../../lib/runtime/feed-own.ts';
import { Relay, type RelayLimits } from '../../lib/runtime/relay.ts';
import { type EventWire, fromEventWire, fromGraphWire, toEventWire, type UnderWayWire, type Wire } from '../../lib/runtime/relay-wire.ts';

/** A host that takes in a message when it is let. */
class Reader {
  readonly messages: { readonly events: readonly Wire[]; readonly dropped: number }[] = [];
  readonly #pending: PromiseWithResolvers<void>[] = [];
  #listener: ((own: OwnEvent) => void) | undefined;
  wanted: EventType[] = [];
  readonly relay: Relay;

  constructor(limits: Partial<RelayLimits> = {}, underWay: readonly OwnRun[] = []) {
    this.relay = new Relay({
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
    }, { interval: 0, many: 1_000_000, most: 1_000_000, ...limits });
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

const log = (at: number): HandoffEvent => ({ type: 'function:log', at, dagId: 'd', functionId: 'f', node: 'a', attempt: 1, values: [at] });
const finished = (at: number): HandoffEvent => ({ type: 'run:finished', at, dagId: `d${at}`, functions: 1, retries: 0, durationMs: 1 });
const spans = (at: number, count: number): HandoffEvent => ({
  type: 'spans', at, dagId: 'd', node: 'a', thread: 0, functionIds: Array.from({ length: count }, (_, k) => `${at}.${k}`),
  attempts: Array<number>(count).fill(1), spans: Array<number>(2 * count).fill(at), bytes: Array<number>(count).fill(0), failed: [],
});
const all: readonly EventType[] = ['spans', 'function:log', 'run:finished', 'run:started'];

describe('a relay', () => {
  it('sends what has gathered in one message once that before it was taken in, in order', async () => {
    const reader = new Reader();
    await reader.begin();
    for (let at = 1; at <= 100; at++) reader.tell(at % 10 === 0 ? spans(at, 5) : log(at));
    expect(reader.messages.map(({ events }) => events.length)).toEqual([1]);
    await reader.take();
    expect(reader.messages.map(({ events }) => events.length)).toEqual([1, 99]);
    expect(reader.events.map(({ at }) => at)).toEqual(Array.from({ length: 100 }, (_, k) => k + 1));
    reader.relay.stop();
  });

  it('drops the oldest spans when the reader does not keep up, says how many, and nothing of how runs end', async () => {
    const reader = new Reader({ most: 1000 });
    await reader.begin();
    reader.tell(log(0));
    for (let at = 1; at <= 500; at++) reader.tell(at % 50 === 0 ? finished(at) : spans(at, 10));
    await reader.take();
    const { dropped } = reader.messages[1]!;
    const events = reader.events.slice(1);
    const kept = events.filter(({ type }) => type === 'spans');
    expect(kept.length * 10).toBeLessThanOrEqual(1000);
    expect(kept.length * 10).toBeGreaterThanOrEqual(800);
    expect(kept.length * 10 + dropped).toBe(490 * 10);
    expect(kept.map(({ at }) => at)).toEqual(Array.from({ length: 500 }, (_, k) => k + 1).filter((at) => at % 50 !== 0).slice(-kept.length));
    expect(events.filter(({ type }) => type === 'run:finished').map(({ at }) => at)).toEqual(Array.from({ length: 10 }, (_, k) => 50 * (k + 1)));
    reader.relay.stop();
  });

  it('never holds more than it may, whatever it is made of', async () => {
    const reader = new Reader({ most: 100 });
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

  it('tells what is under way, and what of it is done, whenever something else is wanted; graphs once', async () => {
    const graph = { dagId: 'd', ids: ['a', 'b', 'c'], code: [0, 0, 0], names: ['n'], deps: [[], [0], [0, 1]], pins: [null, null, null], cost: [0, 0, 0], costs: [null], duration: [null, null, null] };
    const reader = new Reader({}, [{ event: { type: 'run:started', at: 1, dagId: 'd', functions: 3 }, graph: () => graph, done: [0, 2] }]);
    reader.relay.want(['run:started']);
    reader.relay.want(['run:started', 'spans']);
    expect(reader.wanted).toEqual(['run:started', 'spans']);
    reader.tell(spans(2, 1));
    await reader.take();
    const [first, again, last] = reader.messages.flatMap(({ events }) => events) as [UnderWayWire, UnderWayWire, EventWire];
    expect(first).toMatchObject({ underWay: [{ event: { type: 'run:started', at: 1 }, done: Int32Array.of(0, 2) }] });
    expect(fromGraphWire(structuredClone(first.underWay[0]!.graph!))).toEqual(graph);
    expect(again).toEqual({ underWay: [{ event: first.underWay[0]!.event, done: Int32Array.of(0, 2) }] });
    expect(last).toMatchObject({ event: { type: 'spans' } });
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

  it('arrives as it was, its times set right', () => {
    expect(send(spans(1000, 2), 400)).toEqual({ ...spans(1000, 2), at: 600, spans: [600, 600, 600, 600] });
    expect(send(log(1000), -400)).toEqual({ ...log(1000), at: 1400, values: [1000] });
  });

  it('keeps the class, code, fields and cause of an error', () => {
    const error = Object.assign(new RangeError('far', { cause: new TypeError('near') }), { code: 'E_FAR', at: { x: 1 } });
    const { error: told } = send({ type: 'function:failed', at: 1, dagId: 'd', functionId: 'f', node: 'a', attempt: 1, error });
    expect(told).toBeInstanceOf(RangeError);
    expect(told).toMatchObject({ message: 'far', code: 'E_FAR', at: { x: 1 }, cause: { message: 'near' } });
  });

  it('has as text what no message can hold', () => {
    const logged = send({ ...log(1), values: [1, Symbol('s'), new SharedArrayBuffer(8), () => 1] } as HandoffEvent);
    expect(logged.values.map((value: unknown) => typeof value)).toEqual(['number', 'string', 'string', 'string']);
    const error = Object.assign(new Error('held'), { buffer: new SharedArrayBuffer(8) });
    expect(send({ type: 'function:failed', at: 1, dagId: 'd', functionId: 'f', node: 'a', attempt: 1, error }).error.message).toBe('held');
  });

  it.each([undefined, null, 1, {}, { event: null }, { event: { type: 'nothing', at: 1 } }, { event: { type: 'run:finished', at: '1' } }, { event: { type: 'spans', at: 1, functionIds: ['a'] } }, { event: { type: 'run:failed', at: 1, error: { kind: 'error' } } }])('that is none is passed over: %j', (wire) => {
    expect(fromEventWire(wire as never, 0)).toBeUndefined();
  });
});
