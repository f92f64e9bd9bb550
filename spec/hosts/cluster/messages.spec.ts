/**
 * Peers that have proved themselves and say what is nearly right. `CHAOS=full` for a million messages (or
 * `FUZZ_COUNT`), `FUZZ_SEED` to see the same again; then no message may take more than 100 ms of this process's time.
 */
import { serialize } from 'node:v8';
import { describe, expect, it } from 'vitest';
import { Admission } from '../../../lib/hosts/cluster/admission.ts';
import { Cluster } from '../../../lib/hosts/cluster/cluster.ts';
import { ModuleNames } from '../../../lib/hosts/cluster/code-identity.ts';
import { checkReport } from '../../../lib/hosts/cluster/report-check.ts';
import { decodeMessage, encodeMessage, Message } from '../../../lib/hosts/cluster/wire.ts';
import { MemoryNetwork } from '../../../lib/hosts/transport/memory/memory-network.ts';
import { MemoryTransport } from '../../../lib/hosts/transport/memory/memory-transport.ts';
import type { Channel } from '../../../lib/hosts/transport/transport.ts';
import { Random as Numbers } from '../../../lib/core/random.ts';
import { requestChecks } from '../../../lib/runtime/requests.ts';
import { SimpleResourceTracker } from '../../../lib/scheduling/resources/resource-tracker.ts';
import { CodeRegistry } from '../../../lib/workers/node/code-registry.ts';
import type { NodeEvents, NodeLink } from '../../../lib/workers/node/node-link.ts';

const somePackage = 'data:text/javascript,';
const { hash } = new CodeRegistry().versions.of(somePackage);

const isFull = process.env['CHAOS'] === 'full';
const count = Number(process.env['FUZZ_COUNT'] ?? (isFull ? 1_000_000 : 1500));
const seed = Number(process.env['FUZZ_SEED'] ?? (isFull ? Date.now() % 2 ** 31 : 1));
const maxMs = 100;
const threads = 2;
const batch = { id: 7, size: 3 };

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A host with one node, that sends a batch to the node `far` of a peer; what is believed of the peer is checked. */
function host(network: MemoryNetwork) {
  const told: string[] = [];
  /** What was believed that cannot be. To throw would only close the channel. */
  const wrong: unknown[] = [];
  const guarded = <Given extends object>(given: Given): Given =>
    Object.fromEntries(
      Object.entries(given).map(([key, value]) => [
        key,
        typeof value !== 'function'
          ? value
          : (...args: unknown[]) => {
              try {
                return value(...args);
              } catch (error) {
                return void wrong.push(error);
              }
            },
      ]),
    ) as Given;
  const admission = new Admission(new SimpleResourceTracker(), () => {});
  admission.register('near', { cpu: 2 });
  const link = guarded({
    settings: { name: 'near', capabilities: { cpu: 2 }, threads, speed: 1, concurrency: 64 },
    host: 0,
    hostName: undefined,
    send: (thread: number, { size, program }: { size: number; program: Int32Array }) => {
      expect(thread).toBeLessThan(threads);
      expect(2 * size).toBeLessThanOrEqual(program.length);
      told.push('batch');
    },
    takeBack: (_thread: number, _batch: number, most: number) => most,
    cancel: () => 0,
    begun: () => 0,
    kill: () => {},
    connect: () => {},
    addressOf: () => -1,
    travelling: (data: unknown) => data,
  }) as unknown as NodeLink;
  const events = guarded({
    threadUp: (thread: number) => expect(thread).toBeLessThan(threads),
    threadDown: (thread: number, _crash: unknown, started: readonly { readonly batch: number }[]) => {
      expect(thread).toBeLessThan(threads);
      for (const each of started) expect(each.batch).toBe(batch.id);
    },
    started: (id: number, index: number) => {
      expect([id, index < batch.size]).toEqual([batch.id, true]);
      told.push('started');
    },
    ended: (id: number, { first, count: of, values }: { first: number; count: number; values: readonly unknown[] }) => {
      expect([id, first + of <= batch.size, values.length <= of]).toEqual([batch.id, true, true]);
      told.push('ended');
    },
    takenBack: (id: number, limit: number) => expect([id, limit <= batch.size]).toEqual([batch.id, true]),
    log: () => {},
  }) as unknown as NodeEvents;
  const identity = { id: 'host', incarnation: 0 };
  const asked: string[] = [];
  const codes = new CodeRegistry();
  codes.number('node:x', () => ({ url: somePackage, module: 'some-package', export: 'x' }));
  const cluster = new Cluster(
    { heartbeatInterval: 60_000, heartbeatTimeout: 600_000, join: [], joinTimeout: 0, grace: 0 } as never,
    {
      identity,
      transport: new MemoryTransport(network, { identity: () => identity, address: 'host:1' }),
      codes,
      admission,
      memory: undefined,
      names: new ModuleNames('/nowhere', false, () => somePackage, codes.versions),
      requests: requestChecks,
      cards: () => [{ name: 'near', capabilities: { cpu: 2 }, threads, speed: 1, concurrency: 64, threadsUp: [0, 1] }],
      node: (name: string) => (name === 'near' ? link : undefined),
      hostUp: (remote: any, cards: readonly any[]) => {
        for (const card of cards)
          remote.add(card, events).send(0, {
            id: batch.id,
            flags: 0,
            runId: 'r',
            dagId: 'd',
            serial: 1,
            size: batch.size,
            program: Int32Array.of(0, 0, 0, 0, 0, 0),
            values: [],
            claim: undefined,
          });
      },
      hostChanged: () => {},
      hostDown: () => {},
      request: (_peer: unknown, method: string) => void asked.push(method),
    } as never,
  );
  return { cluster, told, asked, wrong };
}

const far = { name: 'far', capabilities: { cpu: 1 }, threads, speed: 1, concurrency: 64, threadsUp: [0] };
const shape = { kind: 'view', view: 'Float64Array', length: 4 };
const reference = { kind: 'remote', host: 'other', key: 'other:1', of: shape };

type Random = (below: number) => number;

/** Of each type one that is right. */
const right: (() => [type: number, parts: unknown[]])[] = [
  () => [Message.ping, [Date.now(), 0, 0]],
  () => [Message.hosts, [['x other:7']]],
  () => [Message.nodes, [[far]]],
  () => [Message.thread, ['far', 1, true]],
  () => [Message.request, [1, 'lookup', ['d', 'f']]],
  () => [Message.request, [2, 'deliver', [1, [], 0]]],
  () => [Message.request, [3, 'names', [[{ id: 'a', name: 'a', node: 'far' }]]]],
  () => [Message.request, [4, 'check', [[{ package: 'some-package', hash, export: 'x' }]]]],
  () => [Message.response, [1, true, { reason: 'shutdown' }]],
  () => [Message.code, [0, { package: 'some-package', hash, export: 'x' }]],
  () => [Message.batch, ['near', 1, 1, 1, 0, 'r', 'd', 1, Int32Array.of(0, 0), [], { cpu: 1 }, 0]],
  () => [Message.batch, ['near', 0, 2, 1, 0, 'r', 'd', 1, Int32Array.of(0, 0), [], null, 0]],
  () => [Message.takeBack, [1, 1]],
  () => [Message.cancel, [1, 'aborted']],
  () => [Message.kill, ['near', 1, 1]],
  () => [Message.release, [1, ['other:1']]],
  () => [Message.endRun, [1]],
  () => [Message.prefetch, [1, reference]],
  () => [Message.ended, [batch.id, 0, 1, [], [0, 1, 2], [1, 2], ['value']]],
  () => [
    Message.ended,
    [batch.id, 1, 1, [1, 1], [], null, [{ kind: 'inline', of: shape, parts: [new Uint8Array(32)] }]],
  ],
  () => [Message.started, [batch.id, 1, Date.now()]],
  () => [Message.takenBack, [batch.id, 2]],
  () => [Message.threadDown, ['far', 0, { reason: 'exit', exitCode: 1 }, [{ batch: batch.id, started: 1 }]]],
  () => [Message.log, ['far', 'r', 'd', 'f', 0, ['text']]],
];

const sparse: unknown[] = [];
sparse.length = 2 ** 32 - 1;
const deep: unknown = Array.from({ length: 300 }).reduce((inner) => [inner], []);
const hostile = [
  0,
  -1,
  1,
  2,
  3,
  0.5,
  255,
  4096,
  2 ** 24,
  2 ** 31,
  2 ** 32,
  2 ** 40,
  2 ** 53,
  Number.MAX_VALUE,
  NaN,
  Infinity,
  -Infinity,
  '',
  'near',
  'far',
  'x'.repeat(70_000),
  'constructor',
  '__proto__',
  null,
  undefined,
  true,
  [],
  {},
  sparse,
  deep,
  [null],
  new Map([[1, 2]]),
  new Date(NaN),
  10n ** 30n,
  new Int32Array(3),
  Int32Array.of(0, -1, 0x7fffffff, 3),
  new Float64Array(5),
  /x/,
  new Error('x'),
  { kind: 'view', view: 'Float64Array', length: 2 ** 40 },
  { kind: 'view', view: 'Nonsense', length: 8 },
  { kind: 'encoded', parts: sparse },
  { kind: 'encoded', parts: [2 ** 50] },
  { kind: 'inline', of: shape, parts: [] },
];

/** Changes some of what is in a value. */
function mutate(value: unknown, random: Random, depth = 0): unknown {
  if (depth > 0 && random(3) === 0) return hostile[random(hostile.length)];
  if (Array.isArray(value)) {
    if (value.length === 0) return random(2) === 0 ? value : [hostile[random(hostile.length)]];
    if (value.length > 1e6) return value; // not to be copied
    const copy = [...value];
    const at = random(copy.length);
    copy[at] = mutate(copy[at], random, depth + 1);
    if (random(8) === 0) copy.push(hostile[random(hostile.length)]);
    return copy;
  }
  if (typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype) {
    const keys = Object.keys(value);
    const key = keys[random(keys.length)]!;
    return { ...value, [key]: mutate((value as Record<string, unknown>)[key], random, depth + 1) };
  }
  return hostile[random(hostile.length)];
}

describe('messages of a proven peer', () => {
  it(`can neither freeze a host nor make it accept the impossible: seed ${seed}`, { timeout: 3_600_000 }, async () => {
    const network = new MemoryNetwork();
    const { cluster, told, asked, wrong } = host(network);
    await cluster.start();
    const attacker = new MemoryTransport(network, { identity: () => ({ id: 'attacker', incarnation: 0 }) });
    const numbers = new Numbers(seed);
    const random: Random = (below) => Math.floor(numbers.next() * below);
    let channel: Channel | undefined;
    let isOpen = false;
    const connect = async (): Promise<void> => {
      const made = await attacker.dial('host:1', 'control');
      channel = made;
      isOpen = true;
      void made.closed.then(() => {
        if (channel === made) isOpen = false;
      });
      made.receive({ frame: () => {} });
      made.send(Message.hello, serialize([{ nodes: [far], hosts: [] }]));
      await turn();
    };
    let [refused, slowest, memory] = [0, 0, 0];
    const slow: { readonly number: number; readonly type: number; readonly bytes: number; readonly ms: number }[] = [];
    for (let number = 0; number < count; number++) {
      if (!isOpen) {
        refused++;
        await connect();
      }
      const [type, parts] = right[random(right.length)]!();
      let body: Uint8Array;
      let changed: unknown = parts;
      for (let k = random(4) - 1; k > 0; k--) changed = mutate(changed, random);
      try {
        body = Array.isArray(changed) ? encodeMessage(type, changed) : serialize(changed);
      } catch {
        continue;
      }
      const sent = random(50) === 0 ? random(40) : type;
      // The collector may take its time with any message, but not three times with the same one.
      let ms = Infinity;
      for (let attempt = 0; attempt < 3 && ms >= maxMs; attempt++) {
        if (!isOpen) await connect();
        const before = process.cpuUsage();
        channel!.send(sent, body);
        await turn();
        await turn();
        const { user, system } = process.cpuUsage(before);
        ms = isFull ? Math.min(ms, (user + system) / 1000) : 0;
      }
      slowest = Math.max(slowest, ms);
      if (ms >= maxMs) slow.push({ number, type: sent, bytes: body.byteLength, ms });
      if (isFull && number === count / 10) memory = process.memoryUsage().rss;
    }
    expect(wrong).toEqual([]);
    expect(refused).toBeGreaterThan(count / 20); // some were malformed,
    expect(refused).toBeLessThan((3 * count) / 4); // and not all
    for (const what of ['batch', 'started', 'ended']) expect(told, what).toContain(what);
    expect(asked).toContain('lookup');
    if (isFull) {
      expect(slow).toEqual([]);
      expect(process.memoryUsage().rss - memory).toBeLessThan(256 * 1024 * 1024);
      process.stdout.write(
        `${count} messages, ${refused} connections, slowest ${slowest.toFixed(1)} ms, ${((process.memoryUsage().rss - memory) / 2 ** 20).toFixed(0)} MiB more\n`,
      );
    }
    await attacker.close();
    await cluster.stop();
  });

  const of =
    (type: number, ...parts: unknown[]) =>
    () =>
      decodeMessage(type, encodeMessage(type, parts));

  it.each<[string, () => unknown]>([
    ['a thread that no machine has', of(Message.thread, 'far', 2 ** 31, true)],
    ['a node of more threads than there are', of(Message.nodes, [{ ...far, threads: 2 ** 31 }])],
    ['a node with threads up that it does not have', of(Message.nodes, [{ ...far, threadsUp: [threads] }])],
    [
      'a node that has more of something than there is',
      of(Message.nodes, [{ ...far, capabilities: { cpu: Infinity } }]),
    ],
    ['a list with billions of holes', of(Message.release, 1, sparse)],
    [
      'members without end',
      of(
        Message.hosts,
        Array.from({ length: 10_001 }, (_, k) => `x h:${k + 1}`),
      ),
    ],
    ['code of a number that nobody counts to', of(Message.code, 2 ** 31, {})],
    ['time that is none', of(Message.started, 1, 1, Infinity)],
    [
      'a claim that is none',
      of(Message.batch, 'near', 0, 1, 1, 0, 'r', 'd', 1, Int32Array.of(0, 0), [], { cpu: -1 }, 0),
    ],
  ])('is refused when it is %s', (_name, decode) => {
    expect(decode).toThrow(expect.objectContaining({ code: 'PROTOCOL_ERROR' }));
  });

  const report = { first: 1, count: 2, exceptions: [1, 2], durations: [0, 2, 1], spans: null, values: ['a', 'b'] };

  it.each<[string, Partial<typeof report>]>([
    ['of more functions than were sent', { count: 2 ** 31 }],
    ['of functions after the last', { first: 2 }],
    ['of no function', { count: 0, values: [] }],
    ['with too few values', { values: ['a'] }],
    ['of exceptions elsewhere', { exceptions: [0, 2] }],
    ['of exceptions twice', { exceptions: [1, 2, 1, 2] }],
    ['of exceptions of no kind', { exceptions: [1, 99] }],
    ['with half a duration', { durations: [0, 2] }],
  ])('is no report when it tells %s', (_name, wrong) => {
    expect(() => checkReport(report, 3)).not.toThrow();
    expect(() => checkReport({ ...report, ...wrong }, 3)).toThrow(expect.objectContaining({ code: 'PROTOCOL_ERROR' }));
  });
});
