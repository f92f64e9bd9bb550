/** Functions that share a thread while they wait. */
import { MessagePort } from 'node:worker_threads';
import { afterEach, describe, expect, it, vi } from 'vitest';
import {
  type EventOf,
  type FunctionSpec,
  Handoff,
  type HandoffOptions,
  type NodeOptions,
  tasks,
} from '../../lib/index.ts';
import { ToThread } from '../../lib/workers/node/wire.ts';
import { Gate } from '../support/gate.ts';
import { dagOf, errorOf } from '../support/handoff.ts';

const module = new URL('../fixtures/concurrent-tasks.ts', import.meta.url);
const w = tasks<typeof import('../fixtures/concurrent-tasks.ts')>(module, { concurrent: true });

let handoff: Handoff;
afterEach(() => handoff.stop());

/** A node of one thread. */
const start = async (node: Partial<NodeOptions> = {}, options: Omit<HandoffOptions, 'nodes'> = {}): Promise<Handoff> =>
  (handoff = await Handoff.start({
    nodes: [{ name: 'a', capabilities: { cpu: 4 }, threads: 1, ...node }],
    gracePeriod: 60_000, // a busy machine may take long to deliver a signal
    ...options,
  }));

class ConcurrentGate extends Gate {
  /** The most functions that were in flight at once. */
  get most(): number {
    return Atomics.load(new Int32Array(this.memory), 3);
  }
}

const passing = (gate: Gate, count: number, more: Partial<FunctionSpec> = {}): FunctionSpec[] =>
  Array.from({ length: count }, (_, k) => ({ id: `f${k}`, code: w.pass, extraArgs: [gate.memory], ...more }));

describe('concurrent functions', () => {
  it('are in flight on one thread together', async () => {
    await start();
    const gate = new ConcurrentGate();
    const running = handoff.execute(dagOf(...passing(gate, 20)));
    await gate.arrived(20);
    gate.release();
    expect(new Set(Object.values((await running).results)).size).toBe(1);
  });

  it('take each other’s results', async () => {
    await start();
    const { results } = await handoff.execute(
      dagOf(
        { id: 'a', code: w.addUp, extraArgs: [1, 2] },
        { id: 'b', code: w.addUp, args: ['a'], extraArgs: [3] },
        { id: 'c', code: w.addUp, args: ['a', 'b'] },
        { id: 'list', code: w.addUp, type: 'inline', args: ['c'], extraArgs: [100] },
        { id: 'd', code: w.addUp, args: ['list', 'a'] },
      ),
    );
    expect(results).toEqual({ a: 3, b: 6, c: 9, d: 112 });
  });

  it('are sent to their thread in one message when they start in one turn', async () => {
    await start();
    const meeting = (count: number) =>
      Array.from({ length: count }, (_, k) => ({ id: `f${k}`, code: w.meet, extraArgs: [count] }));
    await handoff.execute(dagOf(...meeting(2))); // the thread knows the code from here on
    const posted = vi.spyOn(MessagePort.prototype, 'postMessage');
    await handoff.execute(dagOf(...meeting(20)));
    const sent = posted.mock.calls.map(([message]) => message as unknown[]);
    posted.mockRestore();
    expect(sent.map(([type]) => type)).toEqual([ToThread.many]);
    expect(sent[0]![1]).toHaveLength(20);
  });

  it('cost the scheduler one pass when they end in one turn', async () => {
    await start();
    const told: number[] = [];
    const meeting = Array.from({ length: 20 }, (_, k) => ({ id: `f${k}`, code: w.meet, extraArgs: [20] }));
    const last = { id: 'last', code: w.addUp, args: ['f0'], extraArgs: [1] };
    const { results } = await handoff.execute(dagOf(...meeting, last), { onProgress: ({ done }) => told.push(done) });
    expect(told).toEqual([20, 21]);
    expect(results['last']).toBe(21);
  });

  it('share a thread up to the concurrency of their node', async () => {
    await start({ concurrency: 3 });
    const gate = new ConcurrentGate();
    const running = handoff.execute(dagOf(...passing(gate, 8)));
    await gate.arrived(3);
    gate.release();
    await running;
    expect(gate.most).toBe(3);
  });

  it('run one at a time unless they are declared concurrent', async () => {
    await start();
    const gate = new ConcurrentGate();
    gate.release();
    const plain = tasks<typeof import('../fixtures/concurrent-tasks.ts')>(module);
    await handoff.execute(dagOf(...passing(gate, 8, { code: plain.pass })));
    await handoff.execute(dagOf(...passing(gate, 8, { concurrent: false })));
    expect(gate.most).toBe(1);
  });

  it('never run beside a function that is not concurrent, which gets a thread although they wait too', async () => {
    await start({ concurrency: 2 });
    const gate = new ConcurrentGate();
    const order: string[] = [];
    handoff.on('function:started', ({ functionId }) => order.push(functionId));
    const running = handoff.execute(
      dagOf(
        ...passing(gate, 12),
        { id: 'plain', code: w.passBlocking, extraArgs: [gate.memory], concurrent: false },
        ...passing(gate, 4).map((each) => ({ ...each, id: `late ${each.id}` })),
      ),
    );
    await gate.arrived(2);
    gate.release();
    await running;
    expect(gate.most).toBe(2);
    expect(order.indexOf('plain')).toBe(12);
  });

  it('hold their claims as other functions do', async () => {
    await start({ capabilities: { cpu: 2 } });
    const gate = new ConcurrentGate();
    const running = handoff.execute(dagOf(...passing(gate, 6, { cost: { cpu: 1 } })));
    await gate.arrived(2);
    gate.release();
    await running;
    expect(gate.most).toBe(2);
  });

  it('count towards limits of the program and maxConcurrency of their run', async () => {
    await start({}, { limits: { api: 3 } });
    const limited = new ConcurrentGate();
    const running = handoff.execute(dagOf(...passing(limited, 7, { uses: ['api'] })));
    await limited.arrived(3);
    limited.release();
    await running;
    expect(limited.most).toBe(3);
    const bounded = new ConcurrentGate();
    const again = handoff.execute(dagOf(...passing(bounded, 7)), { maxConcurrency: 2 });
    await bounded.arrived(2);
    bounded.release();
    await again;
    expect(bounded.most).toBe(2);
  });

  it('start by priority', async () => {
    await start({ concurrency: 1 }, { costModel: { learn: false } });
    const started: string[] = [];
    handoff.on('function:started', ({ functionId }) => started.push(functionId));
    const gate = new ConcurrentGate();
    gate.release();
    const specs = passing(gate, 5).map((each, k) => ({ ...each, priority: k }));
    await handoff.execute(dagOf(...specs));
    expect(started).toEqual(['f4', 'f3', 'f2', 'f1', 'f0']);
  });

  it('keep a context and logs of their own across every await', async () => {
    await start();
    const logged: EventOf<'function:log'>[] = [];
    handoff.on('function:log', (event) => logged.push(event));
    const gate = new ConcurrentGate();
    const names = ['x', 'y', 'z'];
    const running = handoff.execute(
      dagOf(...names.map((id) => ({ id, code: w.whoAmI, extraArgs: [gate.memory, id] }))),
    );
    await gate.arrived(3);
    gate.release();
    const { results } = await running;
    for (const id of names) expect(results[id]).toEqual([id, id, 1, 'a']);
    expect(logged).toHaveLength(6);
    for (const { functionId, values } of logged) expect(values[1]).toBe(functionId);
  });

  it('have their printed lines attributed to them', async () => {
    await start({}, { output: 'events' });
    const lines = new Map<string, unknown[]>();
    handoff.on('function:log', ({ functionId, values }) =>
      lines.set(functionId, [...(lines.get(functionId) ?? []), ...values]),
    );
    const gate = new ConcurrentGate();
    const names = ['x', 'y', 'z'];
    const running = handoff.execute(dagOf(...names.map((id) => ({ id, code: w.speak, extraArgs: [gate.memory, id] }))));
    await gate.arrived(3);
    gate.release();
    await running;
    for (const id of names) expect(lines.get(id)).toEqual([`${id} has waited`, `${id} ends`]);
  });

  it('are retried by their own predicate, in their own context', async () => {
    await start();
    const gate = new ConcurrentGate();
    gate.release();
    const spec = { code: w.failFirst, extraArgs: [gate.memory], retryIf: w.ifItKnowsItself };
    const error = await errorOf(
      handoff.execute(dagOf({ id: 'again', ...spec }, { id: 'other', ...spec }), { failurePolicy: 'continue' }),
    );
    expect(error.failures?.map(({ functionId }) => functionId)).toEqual(['other']);
    expect(Object.keys(error.results ?? {})).toEqual(['again']);
  });

  it('give their values as of their end, or say why those cannot leave the thread', async () => {
    await start();
    const gate = new ConcurrentGate();
    const running = handoff.execute(
      dagOf(
        { id: 'a', code: w.changeLater, extraArgs: [gate.memory] },
        { id: 'b', code: w.giveFunction, maxRetries: 0 },
      ),
      { failurePolicy: 'continue' },
    );
    await gate.arrived(1);
    gate.release();
    const error = await errorOf(running);
    expect(error.results).toEqual({ a: { n: 1 } });
    expect(error.failures?.[0]?.cause).toMatchObject({ code: 'NOT_SERIALIZABLE' });
  });

  it('report when they began and ended, one by one', async () => {
    await start();
    const attempts: EventOf<'attempts'>[] = [];
    const finished: string[] = [];
    handoff.on('attempts', (event) => attempts.push(event));
    handoff.on('function:finished', ({ functionId }) => finished.push(functionId));
    const gate = new ConcurrentGate();
    const specs = passing(gate, 2).map((each, k) => ({ ...each, extraArgs: [gate.memory, 1 - k] }));
    const first = new Promise<string>((resolve) =>
      handoff.once('function:finished', (event) => resolve(event.functionId)),
    );
    const running = handoff.execute(dagOf(...specs));
    await gate.arrived(2);
    gate.release(1);
    expect(await first).toBe('f1');
    gate.release();
    await running;
    expect(finished).toEqual(['f1', 'f0']);
    expect(attempts.flatMap(({ functionIds }) => functionIds)).toEqual(['f1', 'f0']);
    for (const { spans } of attempts) expect(spans[0]).toBeLessThanOrEqual(spans[1]!);
  });
});

describe('a concurrent function that times out', () => {
  const timeout = 5000; // the import of the module counts, by the real clock
  const gracePeriod = 20;
  const slow = { id: 'slow', timeout, maxRetries: 0 } as const;
  afterEach(() => void vi.useRealTimers());

  /** Has timeouts wait for `runOut`: a machine under load begins a function later than a spec could wait. */
  async function startWithClock(options?: Omit<HandoffOptions, 'nodes'>): Promise<void> {
    await start({}, options);
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  }

  function runOut(ms: number): void {
    vi.advanceTimersByTime(ms);
    vi.useRealTimers();
  }

  it('does not affect the others when it heeds its signal', async () => {
    await startWithClock();
    const gate = new ConcurrentGate();
    const running = errorOf(
      handoff.execute(
        dagOf(...passing(gate, 3, { maxRetries: 0 }), { ...slow, code: w.untilAborted, extraArgs: [gate.memory] }),
        { failurePolicy: 'continue' },
      ),
    );
    await gate.arrived(4);
    const failed = new Promise((resolve) => handoff.once('function:failed', resolve));
    runOut(timeout);
    await failed;
    gate.release();
    const error = await running;
    expect(error.failures).toHaveLength(1);
    expect(error.failures![0]).toMatchObject({ functionId: 'slow', cause: { code: 'FUNCTION_TIMEOUT' } });
    expect(gate.count).toBe(4);
  });

  it('ends its thread when it ignores its signal, and the others run again without using an attempt', async () => {
    await startWithClock({ gracePeriod });
    const gate = new ConcurrentGate();
    const restarted = new Promise((resolve) => handoff.once('worker:restarted', resolve));
    const running = errorOf(
      handoff.execute(
        dagOf(...passing(gate, 3, { maxRetries: 0 }), { ...slow, code: w.ignoreSignal, extraArgs: [gate.memory] }),
        { failurePolicy: 'continue' },
      ),
    );
    await gate.arrived(4);
    runOut(timeout + gracePeriod);
    await restarted;
    await gate.arrived(7);
    gate.release();
    const error = await running;
    expect(error.failures?.map(({ functionId }) => functionId)).toEqual(['slow']);
    expect(error.failures![0]!.cause).toMatchObject({ code: 'FUNCTION_TIMEOUT' });
    expect(Object.keys(error.results!)).toEqual(['f0', 'f1', 'f2']);
    expect(gate.count).toBe(7);
  });

  it('fails non-idempotent functions beside it, with the reason', async () => {
    await startWithClock({ gracePeriod });
    const gate = new ConcurrentGate();
    const running = errorOf(
      handoff.execute(
        dagOf(
          { id: 'pay', code: w.pass, extraArgs: [gate.memory], idempotent: false },
          { ...slow, code: w.ignoreSignal, extraArgs: [gate.memory] },
        ),
        { failurePolicy: 'continue' },
      ),
    );
    await gate.arrived(2);
    runOut(timeout + gracePeriod);
    const error = await running;
    const pay = error.failures?.find(({ functionId }) => functionId === 'pay');
    expect(pay).toMatchObject({ code: 'NODE_DOWN', node: 'a' });
    expect(pay!.message).toContain('shared a thread of node a with function "slow"');
    expect(gate.count).toBe(2);
  });

  it('ends its thread too after another one ended it by mistake', async () => {
    await startWithClock({ gracePeriod });
    const gate = new ConcurrentGate();
    const two = ['slow0', 'slow1'].map((id) => ({ ...slow, id, code: w.ignoreSignal, extraArgs: [gate.memory] }));
    const running = errorOf(handoff.execute(dagOf(...two), { failurePolicy: 'continue' }));
    await gate.arrived(2);
    runOut(timeout + gracePeriod);
    const error = await running;
    for (const each of error.failures!) expect(each.cause).toMatchObject({ code: 'FUNCTION_TIMEOUT' });
    expect(error.failures).toHaveLength(2);
  });
});

describe('a concurrent function that ends its thread', () => {
  it.each(['exit', 'throw'] as const)('by %s is the only one that fails', async (how) => {
    await start();
    const gate = new ConcurrentGate();
    const running = errorOf(
      handoff.execute(
        dagOf(...passing(gate, 3, { maxRetries: 0 }), {
          id: 'bad',
          code: w.endThread,
          extraArgs: [gate.memory, how, 4],
          maxRetries: 0,
        }),
        { failurePolicy: 'continue' },
      ),
    );
    await gate.arrived(7);
    gate.release();
    const error = await running;
    expect(error.failures).toHaveLength(1);
    expect(error.failures![0]).toMatchObject({ functionId: 'bad', attempts: 1, cause: { code: 'WORKER_CRASHED' } });
    expect(Object.keys(error.results!)).toEqual(['f0', 'f1', 'f2']);
  });
});

describe('an abort', () => {
  it('reaches each function of the run, and no other', async () => {
    await start();
    const gate = new ConcurrentGate();
    const other = new ConcurrentGate();
    const controller = new AbortController();
    const aborted = errorOf(
      handoff.execute(
        dagOf(
          { id: 'a', code: w.untilAborted, extraArgs: [gate.memory] },
          { id: 'b', code: w.untilAborted, extraArgs: [gate.memory] },
        ),
        { signal: controller.signal },
      ),
    );
    const running = handoff.execute(dagOf(...passing(other, 2)));
    await gate.arrived(2);
    await other.arrived(2);
    controller.abort();
    expect(await aborted).toMatchObject({ code: 'ABORTED' });
    other.release();
    await running;
    expect(other.count).toBe(2);
  });

  it('of one function leaves the others on its thread alone', async () => {
    await start();
    const gate = new ConcurrentGate();
    const running = errorOf(
      handoff.execute(dagOf(...passing(gate, 2), { id: 'a', code: w.untilAborted, extraArgs: [gate.memory] }), {
        runId: 'r',
        failurePolicy: 'continue',
      }),
    );
    await gate.arrived(3);
    expect(await handoff.cancelFunction('r', 'a')).toBe(true);
    gate.release();
    const error = await running;
    expect(error.failures?.map(({ functionId }) => functionId)).toEqual(['a']);
    expect(gate.count).toBe(3);
  });
});

describe('a concurrent function that holds its thread', () => {
  const blocked = (which: (event: EventOf<'worker:blocked'>) => boolean): Promise<EventOf<'worker:blocked'>> =>
    new Promise((resolve) => {
      handoff.on('worker:blocked', (event) => which(event) && resolve(event));
    });

  it('is reported by name, when it does so before it waits', async () => {
    await start();
    const gate = new ConcurrentGate();
    const told = blocked(() => true);
    const running = handoff.execute(
      dagOf(...passing(gate, 3), { id: 'busy', code: w.holdAtOnce, extraArgs: [gate.memory, 300], priority: -1 }),
    );
    expect(await told).toMatchObject({ node: 'a', thread: 0, functionId: 'busy' });
    gate.release();
    await running;
  });

  it('is reported by name, when it does so again and again after it has waited', async () => {
    await start();
    const gate = new ConcurrentGate();
    const told = blocked(({ functionId }) => functionId !== undefined);
    const running = handoff.execute(
      dagOf(...passing(gate, 3), { id: 'busy', code: w.hold, extraArgs: [gate.memory, 400] }),
    );
    expect((await told).functionId).toBe('busy');
    gate.release();
    await running;
  });
});
