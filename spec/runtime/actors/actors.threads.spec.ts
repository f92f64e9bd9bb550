import { describe, expect, expectTypeOf, it } from 'vitest';
import { type ActorDeath, Handoff, type HandoffEvent, tasks } from '../../../lib/index.ts';
import type { Counter } from '../../fixtures/actors.ts';
import { Gate } from '../../support/gate.ts';
import { c, counter, dagOf, errorOf, t, useHandoff } from '../../support/handoff.ts';

const handoff = useHandoff();
const a = tasks<typeof import('../../fixtures/actors.ts')>(new URL('../../fixtures/actors.ts', import.meta.url));

describe('an actor', () => {
  it('is an instance in its own thread, called by its methods', async () => {
    const actor = await handoff().spawn(a.Counter, { args: [5] });
    expect(await actor.ask.add(2)).toBe(7);
    expect(await actor.ask.get()).toBe(7);
    const other = await handoff().spawn(a.Counter);
    expect(await actor.ask.thread()).not.toBe(await other.ask.thread());
    expect(actor.node).toBe('a');
    await Promise.all([actor.stop(), other.stop()]);
  });

  it('has the types of its class', async () => {
    const actor = await handoff().spawn(a.Counter, { args: [1] });
    expectTypeOf(actor.ask.add).toEqualTypeOf<(n: number) => Promise<number>>();
    expectTypeOf(actor.ask.addLater).toEqualTypeOf<(n: number, ms: number) => Promise<number>>();
    expectTypeOf(actor.tell.add).toEqualTypeOf<(n: number) => void>();
    // @ts-expect-error -- the constructor takes a number
    await errorOf(handoff().spawn(a.Counter, { args: ['x'], name: '' }));
    // @ts-expect-error -- there is no such method
    void actor.ask.nothing;
    await actor.stop();
  });

  it('handles one message at a time, in order, also while a method awaits a promise', async () => {
    const actor = await handoff().spawn(a.Counter);
    const answers = await Promise.all([
      actor.ask.addLater(1, 5),
      actor.ask.addLater(2, 1),
      actor.ask.add(3),
      actor.ask.addLater(4, 2),
    ]);
    expect(answers).toEqual([1, 3, 6, 10]);
    await actor.stop();
  });

  it('is called by tell without waiting, before later asks', async () => {
    const actor = await handoff().spawn(a.Counter);
    for (let i = 1; i <= 100; i++) actor.tell.add(i);
    expect(await actor.ask.get()).toBe(5050);
    await actor.stop();
  });

  it('passes on what a method throws, whole', async () => {
    const actor = await handoff().spawn(a.Counter);
    const error: unknown = await actor.ask.boom('no').catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(RangeError);
    expect(error).toMatchObject({ name: 'ActorError', message: 'no', code: 'E_ACTOR' });
    expect(await actor.ask.add(1)).toBe(1);
    await actor.stop();
  });

  it('emits an event when a method called by tell throws', async () => {
    const actor = await handoff().spawn(a.Counter, { name: 'teller' });
    const heard = new Promise<HandoffEvent>((resolve) => handoff().once('actor:error', resolve));
    actor.tell.boom('unheard');
    expect(await heard).toMatchObject({ actor: 'teller', method: 'boom', error: { message: 'unheard' } });
    await actor.stop();
  });

  it.each([
    ['a method that is not there', 'FUNCTION_NOT_FOUND', (actor: any) => actor.ask.subtract(1), 'add'],
    ['the constructor', 'FUNCTION_NOT_FOUND', (actor: any) => actor.ask.constructor(1), 'add'],
    ['what every object has', 'FUNCTION_NOT_FOUND', (actor: any) => actor.ask.toString(), 'add'],
    ['an argument that cannot be sent', 'NOT_SERIALIZABLE', (actor: any) => actor.ask.add(() => 1), 'add()'],
    [
      'an answer that cannot be sent',
      'NOT_SERIALIZABLE',
      (actor: any) => actor.ask.makeFunction(),
      'Counter.makeFunction()',
    ],
  ])('refuses %s, and goes on', async (_, code, ask, named) => {
    const actor = await handoff().spawn(a.Counter);
    const error = await errorOf(ask(actor));
    expect(error.code).toBe(code);
    expect(error.message).toContain(named);
    expect(await actor.ask.add(1)).toBe(1);
    await actor.stop();
  });

  it('is abandoned by an ask with a timeout, and still does the work', async () => {
    const actor = await handoff().spawn(a.Counter);
    const gate = new Gate();
    const error = await errorOf(actor.with({ timeout: 5 }).ask.wait(gate.memory));
    expect(error).toMatchObject({ code: 'ASK_TIMEOUT', timeout: 5 });
    gate.release();
    expect(await actor.ask.add(1)).toBe(1);
    await actor.stop();
  });

  it('never does what was aborted while it waited', async () => {
    const actor = await handoff().spawn(a.Counter);
    const gate = new Gate();
    const blocked = actor.ask.wait(gate.memory);
    await gate.arrived(1);
    // What is with the thread already cannot be taken back.
    const waiting = Array.from({ length: 8 }, () => actor.ask.get());
    const controller = new AbortController();
    const aborted = errorOf(actor.with({ signal: controller.signal }).ask.add(100));
    controller.abort('enough');
    expect(await aborted).toMatchObject({ code: 'ABORTED', cause: 'enough' });
    expect((await errorOf(actor.with({ signal: AbortSignal.abort() }).ask.add(100))).code).toBe('ABORTED');
    gate.release();
    await blocked;
    expect(await Promise.all(waiting)).toEqual(Array.from({ length: 8 }, () => 0));
    expect(await actor.ask.get()).toBe(0);
    await actor.stop();
  });

  it('refuses messages for which its mailbox has no room', async () => {
    const actor = await handoff().spawn(a.Counter, { mailbox: { capacity: 2 } });
    const gate = new Gate();
    const blocked = actor.ask.wait(gate.memory);
    await gate.arrived(1);
    const asked = Array.from({ length: 8 }, () => actor.ask.add(1).catch((error: { code: string }) => error.code));
    gate.release();
    await blocked;
    expect(await Promise.all(asked)).toEqual([1, 2, 3, 4, 5, 'MAILBOX_FULL', 'MAILBOX_FULL', 'MAILBOX_FULL']);
    await actor.stop();
  });

  it('drops the oldest instead where that is wanted', async () => {
    const actor = await handoff().spawn(a.Counter, { mailbox: { capacity: 1, overflow: 'drop-oldest' } });
    const gate = new Gate();
    const blocked = actor.ask.wait(gate.memory);
    await gate.arrived(1);
    const asked = Array.from({ length: 6 }, (_, i) =>
      actor.ask.add(10 ** i).catch((error: { code: string }) => error.code),
    );
    gate.release();
    await blocked;
    expect(await Promise.all(asked)).toEqual([1, 11, 111, 'MAILBOX_FULL', 'MAILBOX_FULL', 100111]);
    await actor.stop();
  });

  it('is disposed of when it is stopped, and answers nothing more', async () => {
    const disposed = counter();
    const actor = await handoff().spawn(a.Disposable, { args: [disposed.memory] });
    expect(await actor.ask.hello()).toBe('hello');
    await actor.stop();
    expect(disposed.value).toBe(1);
    expect((await errorOf(actor.ask.hello())).code).toBe('STOPPED');
    expect(await actor.exited).toEqual({ reason: 'shutdown' });
  });

  it('that never yields is terminated after its shutdown timeout', async () => {
    const actor = await handoff().spawn(a.Counter, { shutdownTimeout: 20 });
    const gate = new Gate();
    const stuck = errorOf(actor.ask.wait(gate.memory));
    await gate.arrived(1);
    await actor.stop();
    expect((await stuck).code).toBe('STOPPED');
  });
});

describe('spawning', () => {
  it.each([
    ['a class that is not there', { export: 'Nothing' }, 'FUNCTION_NOT_FOUND', 'Nothing'],
    ['what is no class', { export: 'notAClass' }, 'FUNCTION_NOT_FOUND', 'notAClass'],
  ])('refuses %s', async (_, more, code, named) => {
    const reference = { module: new URL('../../fixtures/actors.ts', import.meta.url).href, ...more };
    const error = await errorOf(handoff().spawn(reference as never));
    expect(error.code).toBe(code);
    expect(error.message).toContain(named);
  });

  it('fails with what the constructor throws, and leaves nothing behind', async () => {
    const error: unknown = await handoff()
      .spawn(a.Counter, { args: [-1], name: 'stillborn' })
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ name: 'ActorError', message: 'negative' });
    expect(() => handoff().actor('stillborn')).toThrow(expect.objectContaining({ code: 'ACTOR_NOT_FOUND' }));
    expect(JSON.stringify(handoff().tree())).not.toContain('stillborn');
  });

  it.each([
    ['node', { node: 'nowhere' }],
    ['restart', { restart: 'sometimes' }],
    ['args', { args: 5 }],
    ['maxRestarts', { maxRestarts: -1 }],
    ['capacity', { mailbox: { capacity: 0 } }],
    ['nmae', { nmae: 'x' }],
  ])('refuses a bad %s', async (option, options) => {
    expect(await errorOf(handoff().spawn(a.Counter, options as never))).toMatchObject({
      code: 'INVALID_OPTION',
      option,
    });
  });

  it('gets no message from a reference that is awaited or turned into JSON', async () => {
    const actor = await handoff().spawn(a.Counter);
    expect(JSON.stringify([await actor.ask, actor.tell])).toBe('[{},{}]');
    await actor.stop();
  });

  it('refuses arguments that cannot be sent, and functions for classes', async () => {
    expect((await errorOf(handoff().spawn(a.Counter, { args: [(() => 1) as never] }))).code).toBe('NOT_SERIALIZABLE');
    expect((await errorOf(handoff().spawn(a.Counter, { args: [handoff() as never] }))).message).toContain(
      'args[0] is a Handoff, which belongs to its thread',
    );
    expect((await errorOf(handoff().spawn((() => 1) as never))).code).toBe('INVALID_FUNCTION');
    expect((await errorOf(handoff().spawn(t.one as never))).code).toBe('FUNCTION_NOT_FOUND');
  });

  it('gives a name to one actor at a time', async () => {
    const first = await handoff().spawn(a.Counter, { name: 'only' });
    expect(handoff().actor('only')).toBe(first);
    expect(await errorOf(handoff().spawn(a.Counter, { name: 'only' }))).toMatchObject({
      code: 'INVALID_OPTION',
      option: 'name',
    });
    await first.stop();
    const second = await handoff().spawn(a.Counter, { name: 'only' });
    expect(handoff().actor<Counter>('only')).toBe(second);
    await second.stop();
  });
});

describe('an actor whose thread dies', () => {
  it.each([
    ['by process.exit', 'exit', (actor: any) => actor.ask.exit(3)],
    [
      'of an error that nobody catches',
      'uncaught',
      (actor: any) => actor.ask.uncaught().then(() => actor.ask.addLater(1, 10_000)),
    ],
  ])('%s fails pending asks, restarts, and answers again', async (_, reason, kill) => {
    const actor = await handoff().spawn(a.Counter, { args: [5] });
    await actor.ask.add(1);
    const waiting = errorOf(kill(actor));
    expect(await waiting).toMatchObject({ code: 'WORKER_CRASHED', reason });
    expect(await actor.ask.get()).toBe(5); // a new instance: what the first knew is lost
    await actor.stop();
  });

  it('of too much memory says so', async () => {
    await handoff().registerNode('small', { cpu: 1, memory: 64 });
    const actor = await handoff().spawn(a.Counter, { node: 'small' });
    expect(await errorOf(actor.ask.fill())).toMatchObject({ code: 'WORKER_CRASHED', reason: 'out-of-memory' });
    expect(await actor.ask.add(1)).toBe(1);
    await actor.stop();
    await handoff().removeNode('small');
  });

  it('keeps its state across restarts with snapshot() and restore()', async () => {
    const actor = await handoff().spawn(a.Ledger);
    for (let i = 0; i < 10; i++) await actor.ask.add(1);
    await errorOf(actor.ask.exit(1));
    expect(await actor.ask.get()).toBe(10);
    await actor.stop();
  });

  it('keeps messages that it had not been given', async () => {
    const actor = await handoff().spawn(a.Ledger);
    const asked = [actor.ask.exit(1), ...Array.from({ length: 50 }, () => actor.ask.add(1))].map((each) =>
      each.then(
        () => 'answered',
        (error: { code: string }) => error.code,
      ),
    );
    const answers = await Promise.all(asked);
    expect(answers[0]).toBe('WORKER_CRASHED');
    const answered = answers.filter((answer) => answer === 'answered').length;
    expect(answered).toBeGreaterThanOrEqual(40);
    expect(await actor.ask.get()).toBe(answered);
    await actor.stop();
  });

  it.each([
    ['permanent', 0, true],
    ['permanent', 1, true],
    ['transient', 0, false],
    ['transient', 1, true],
    ['temporary', 1, false],
  ] as const)('that is %s and exits with %i is started again: %s', async (restart, code, again) => {
    const actor = await handoff().spawn(a.Counter, { restart });
    await errorOf(actor.ask.exit(code));
    const answer = await actor.ask.add(1).catch((error: { code: string }) => error.code);
    expect(answer).toBe(again ? 1 : code === 0 ? 'STOPPED' : 'WORKER_CRASHED');
    await actor.stop();
  });

  it('that fails again and again is given up, and no other actor with it', async () => {
    const other = await handoff().spawn(a.Counter, { name: 'bystander' });
    const actor = await handoff().spawn(a.Counter, { maxRestarts: 2, maxSeconds: 60, name: 'frail' });
    for (let i = 0; i < 3; i++) await errorOf(actor.ask.exit(7));
    expect(await actor.exited).toMatchObject({ reason: 'error', error: { code: 'WORKER_CRASHED', exitCode: 7 } });
    expect(await errorOf(actor.ask.get())).toMatchObject({ code: 'WORKER_CRASHED', reason: 'ended' });
    expect(() => handoff().actor('frail')).toThrow();
    expect(await other.ask.add(1)).toBe(1);
    expect((await handoff().execute(dagOf({ id: 'x', code: t.one }))).results['x']).toBe(1);
    await other.stop();
  });

  it('tells its monitors, and ends what is linked to it', async () => {
    const deaths: ActorDeath[] = [];
    const actor = await handoff().spawn(a.Counter, { restart: 'permanent', maxRestarts: 1, maxSeconds: 60 });
    const linked = await handoff().spawn(a.Counter);
    actor.link(linked);
    actor.monitor((death) => deaths.push(death));
    actor.monitor(() => deaths.push({ exit: { reason: 'normal' }, final: false }))();
    await errorOf(actor.ask.exit(1));
    await errorOf(actor.ask.exit(2));
    await linked.exited;
    expect(deaths.map(({ exit, final }) => [(exit.error as { exitCode: number }).exitCode, final])).toEqual([
      [1, false],
      [2, false],
      [2, true],
    ]);
  });
});

describe('groups of actors', () => {
  it('are started again together with "one-for-all", in order, and those after it with "rest-for-one"', async () => {
    for (const [strategy, restarted] of [
      ['one-for-one', [false, true, false]],
      ['one-for-all', [true, true, true]],
      ['rest-for-one', [false, true, true]],
    ] as const) {
      const group = await handoff().supervise({ strategy });
      const members = [await group.spawn(a.Counter), await group.spawn(a.Counter), await group.spawn(a.Counter)];
      const before = await Promise.all(members.map((member) => member.ask.thread()));
      const again = new Promise((resolve) => handoff().once('supervisor:restarted', resolve));
      await errorOf(members[1]!.ask.exit(1));
      await again;
      const after = await Promise.all(members.map((member) => member.ask.thread()));
      expect(after.map((thread, i) => thread !== before[i])).toEqual(restarted);
      await group.stop();
    }
  });

  it('end when they fail too often, and the group above restarts them or ends too', async () => {
    const outer = await handoff().supervise({ maxRestarts: 1, maxSeconds: 60 });
    const inner = await outer.supervise({ name: 'inner', maxRestarts: 0, maxSeconds: 60 });
    const actor = await inner.spawn(a.Counter);
    const again = new Promise<HandoffEvent>((resolve) => handoff().once('supervisor:restarted', resolve));
    await errorOf(actor.ask.exit(1));
    expect(await again).toMatchObject({ child: 'inner' });
    expect(await actor.ask.add(1)).toBe(1); // the same reference
    await errorOf(actor.ask.exit(1));
    expect((await outer.exited).reason).toBe('error');
    expect((await actor.exited).reason).toBe('error');
  });

  it('are shown in the tree, with mailboxes', async () => {
    const group = await handoff().supervise({ name: 'shown', strategy: 'rest-for-one' });
    const actor = await group.spawn(a.Counter, { name: 'member', node: 'b' });
    const gate = new Gate();
    const blocked = actor.ask.wait(gate.memory);
    await gate.arrived(1);
    const more = Array.from({ length: 6 }, () => actor.ask.add(1));
    const actors = handoff()
      .tree()
      .children!.find(({ id }) => id === 'actors')!;
    expect(actors.children).toMatchObject([
      {
        id: 'shown',
        kind: 'supervisor',
        strategy: 'rest-for-one',
        state: 'running',
        children: [
          {
            id: 'member',
            kind: 'worker',
            state: 'running',
            restarts: 0,
            info: { class: 'Counter', node: 'b', mailbox: 3, inFlight: 4 },
          },
        ],
      },
    ]);
    gate.release();
    await Promise.all([blocked, ...more]);
    await group.stop();
    expect(
      handoff()
        .tree()
        .children!.find(({ id }) => id === 'actors')!.children,
    ).toEqual([]);
  });

  it('count for their members: maxRestarts of one is refused', async () => {
    const group = await handoff().supervise();
    expect(await errorOf(group.spawn(a.Counter, { maxRestarts: 1 }))).toMatchObject({
      code: 'INVALID_OPTION',
      option: 'maxRestarts',
    });
    await group.stop();
    expect((await errorOf(group.spawn(a.Counter))).code).toBe('STOPPED');
    expect(await errorOf(handoff().supervise({ strategy: 'all' as never }))).toMatchObject({ option: 'strategy' });
  });
});

describe('functions of a DAG', () => {
  it('ask and tell named actors through their context', async () => {
    const actor = await handoff().spawn(a.Counter, { name: 'sum' });
    const adders = Array.from({ length: 20 }, (_, i) => ({
      id: `f${i}`,
      code: i % 2 === 0 ? c.addWith : c.tellToAdd,
      extraArgs: ['sum', i],
    }));
    await handoff().execute(dagOf(...adders));
    expect(await actor.ask.get()).toBe(190);
    await actor.stop();
  });

  it('fail when there is no such actor', async () => {
    const error = await errorOf(
      handoff().execute(dagOf({ id: 'f', code: c.addWith, extraArgs: ['nobody', 1], maxRetries: 0 })),
    );
    expect(error.cause).toMatchObject({ code: 'ACTOR_NOT_FOUND' });
  });
});

describe('stopping', () => {
  it('ends all actors, fails pending asks, and starts no more', async () => {
    const own = await Handoff.start({ nodes: [{ name: 'n', capabilities: { cpu: 1 } }] });
    const actor = await own.spawn(a.Counter, { shutdownTimeout: 20 });
    const gate = new Gate();
    const asked = [actor.ask.wait(gate.memory), ...Array.from({ length: 10 }, () => actor.ask.add(1))].map(errorOf);
    await gate.arrived(1);
    await own.stop();
    expect((await Promise.all(asked)).map(({ code }) => code)).toEqual(Array.from({ length: 11 }, () => 'STOPPED'));
    expect((await errorOf(own.spawn(a.Counter))).code).toBe('STOPPED');
  });
});

describe('races', () => {
  it('two of one name: the second is refused, and the first goes on', async () => {
    const [first, second] = await Promise.allSettled([
      handoff().spawn(a.Counter, { name: 'twin' }),
      handoff().spawn(a.Counter, { name: 'twin' }),
    ]);
    expect([first.status, second.status]).toEqual(['fulfilled', 'rejected']);
    expect((second as PromiseRejectedResult).reason).toMatchObject({ code: 'INVALID_OPTION', option: 'name' });
    const actor = handoff().actor<Counter>('twin');
    expect(await actor.ask.add(1)).toBe(1);
    await actor.stop();
    const group = await handoff().supervise({ name: 'pair' });
    expect(await errorOf(handoff().supervise({ name: 'pair' }))).toMatchObject({ code: 'INVALID_OPTION' });
    const member = await group.spawn(a.Counter);
    expect(await member.ask.add(2)).toBe(2);
    await group.stop();
    expect((await member.exited).reason).toBe('shutdown');
  });

  it('one that never gets ready is ended when its parent is stopped', async () => {
    const own = await Handoff.start({ nodes: [{ name: 'n', capabilities: { cpu: 1 } }] });
    const begun = counter();
    const stuck = errorOf(own.spawn(a.Stuck, { args: [begun.memory] }));
    await Atomics.waitAsync(new Int32Array(begun.memory), 0, 0).value;
    await own.stop();
    expect(['WORKER_CRASHED', 'STOPPED']).toContain((await stuck).code);
  });

  it('a group that starts its members again leaves one alone that is only being started', async () => {
    const group = await handoff().supervise({ strategy: 'one-for-all' });
    const made = counter();
    const gate = new Gate();
    const first = await group.spawn(a.Counter);
    const slow = group.spawn(a.Slow, { args: [made.memory, gate.memory] });
    await gate.arrived(1);
    const again = new Promise((resolve) => handoff().once('supervisor:restarted', resolve));
    await errorOf(first.ask.exit(1));
    await again;
    gate.release();
    expect(await (await slow).ask.hello()).toBe('hello');
    expect(made.value).toBe(1);
    await group.stop();
  });

  it.each([[Number.NaN], [-1], ['5']])('a timeout of %s is refused', async (timeout) => {
    const actor = await handoff().spawn(a.Counter);
    expect(() => actor.with({ timeout: timeout as number })).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION' }),
    );
    await actor.stop();
  });
});
