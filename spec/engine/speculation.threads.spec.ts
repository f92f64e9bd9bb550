import { describe, expect, it } from 'vitest';
import { Dag, type FunctionSpec, Handoff, tasks } from '../../lib/index.ts';
import { errorOf, useHandoff } from '../support/handoff.ts';
import { next, record } from '../support/hosts.ts';

const s = tasks<typeof import('../fixtures/straggler-tasks.ts')>(
  new URL('../fixtures/straggler-tasks.ts', import.meta.url),
);

const handoff = useHandoff({
  nodes: [
    { name: 'a', capabilities: { cpu: 1 }, threads: 1 },
    { name: 'b', capabilities: { cpu: 1 }, threads: 1 },
  ],
});

// Long enough for the first of the two to have begun before the other is sent, also on a busy machine.
const speculate = { factor: 1, minMs: 600 };
/** Of the function, in ms. By then a copy would have been sent. */
const timeout = 1500;

class Words {
  readonly memory = new SharedArrayBuffer(12);
  readonly #words = new Int32Array(this.memory);

  /** Calls of `slow`. */
  get calls(): number {
    return Atomics.load(this.#words, 0);
  }

  /** Calls that were told to stop. */
  get stopped(): number {
    return Atomics.load(this.#words, 1);
  }

  release(): void {
    Atomics.store(this.#words, 2, 1);
    Atomics.notify(this.#words, 2);
  }
}

/**
 * Functions enough to know what is typical, of which no copy is made, and then `slow`, beside which a thread is free.
 */
function dagWith(code: FunctionSpec['code'], words: Words, more: Partial<FunctionSpec> = {}): Dag {
  const dag = new Dag();
  const extraArgs = [words.memory];
  for (let i = 0; i < 12; i++)
    dag.add({
      id: `f${i}`,
      code,
      extraArgs,
      args: i === 0 ? [] : [`f${i - 1}`],
      layout: [{ value: words.memory }],
      idempotent: false,
    });
  return dag.add({ id: 'slow', code, args: ['f11'], layout: [{ value: words.memory }], ...more });
}

describe('a function that runs far longer than is typical', () => {
  it('gets a second attempt on another node, and the first result counts', async () => {
    const words = new Words();
    const { results, allocations, stats } = await handoff().execute(dagWith(s.heeding, words), { speculate });
    expect(results['slow']).toMatchObject({ call: 2, attempt: 1, node: allocations['slow'] });
    expect(allocations['slow']).not.toBe(allocations['f11']);
    expect(stats).toMatchObject({ speculated: 1, speculatedWon: 1, retries: 0 });
  });

  it('is aborted, through its signal, when the other has finished', async () => {
    const words = new Words();
    await handoff().execute(dagWith(s.heeding, words), { speculate });
    const follower = new Dag()
      .add({ id: 'x', code: s.heeding, extraArgs: [words.memory], node: 'a' })
      .add({ id: 'y', code: s.heeding, extraArgs: [words.memory], node: 'b' });
    await handoff().execute(follower); // both threads are free again
    expect(words).toMatchObject({ calls: 2, stopped: 1 });
  });

  it('changes nothing when it answers late', async () => {
    const words = new Words();
    const dag = dagWith(s.lateAnswer, words);
    const { dagId, results } = await handoff().execute(dag, { speculate });
    expect(results['slow']).toMatchObject({ call: 2 });
    await handoff().execute(
      new Dag()
        .add({ id: 'x', code: s.heeding, extraArgs: [words.memory], node: 'a' })
        .add({ id: 'y', code: s.heeding, extraArgs: [words.memory], node: 'b' }),
    );
    expect(words.stopped).toBe(1);
    expect(await handoff().getLocalValue(dagId, 'slow')).toMatchObject({ call: 2 });
  });

  it('is not awaited by its run when it ignores its signal: its thread is ended, and no function is charged', async () => {
    const words = new Words();
    const events = record(handoff(), 'worker:crashed', 'function:retrying', 'function:failed', 'supervisor:restarted');
    const restarted = next(handoff(), 'worker:restarted');
    const { results, stats } = await handoff().execute(dagWith(s.ignoring, words), { speculate });
    expect(results['slow']).toMatchObject({ call: 2 });
    expect(stats).toMatchObject({ speculated: 1, speculatedWon: 1, retries: 0 });
    await restarted;
    expect(events).toEqual([]);
  });

  it('is never run twice when it is not idempotent', async () => {
    const words = new Words();
    const running = handoff().execute(
      dagWith(s.failingFirst, words, { id: 'slow', idempotent: false, timeout, maxRetries: 0 }),
      { speculate },
    );
    // Its first call waits for a second.
    expect((await errorOf(running)).cause).toMatchObject({ code: 'FUNCTION_TIMEOUT' });
    expect(words.calls).toBe(1);
  });

  it('is never run twice when an inline function that it runs is not idempotent', async () => {
    const words = new Words();
    const dag = dagWith(s.failingFirst, words, {
      timeout,
      maxRetries: 0,
      args: ['f11', 'inlined'],
      layout: [{ value: words.memory }, { arg: 1 }],
    });
    dag.add({ id: 'inlined', code: s.heeding, type: 'inline', idempotent: false, extraArgs: [words.memory] });
    expect((await errorOf(handoff().execute(dag, { speculate }))).cause).toMatchObject({ code: 'FUNCTION_TIMEOUT' });
    expect(words.calls).toBeLessThan(3); // its own, and that of the inline function, which goes by its name
  });

  it('is not run twice without the option speculate', async () => {
    const words = new Words();
    const running = handoff().execute(dagWith(s.failingFirst, words, { timeout, maxRetries: 0 }));
    expect((await errorOf(running)).cause).toMatchObject({ code: 'FUNCTION_TIMEOUT' });
    expect(words.calls).toBe(1);
  });
});

describe('when one of the two fails', () => {
  it('the original goes on, and no attempt is counted', async () => {
    const words = new Words();
    const events = record(handoff(), 'function:retrying');
    const speculated = next(handoff(), 'function:speculated');
    const running = handoff().execute(dagWith(s.failingCopy, words), { speculate });
    await speculated;
    while (words.calls < 2) await new Promise(setImmediate);
    words.release();
    const { results, stats } = await running;
    expect(results['slow']).toMatchObject({ call: 1, attempt: 1 });
    expect(stats).toMatchObject({ speculated: 1, speculatedWon: 0, retries: 0 });
    expect(events).toEqual([]);
  });

  it('the copy goes on, and no attempt is counted', async () => {
    const words = new Words();
    const events = record(handoff(), 'function:retrying', 'function:finished');
    const running = handoff().execute(dagWith(s.failingFirst, words), { speculate });
    while (words.calls < 2) await new Promise(setImmediate);
    words.release();
    const { results, allocations, stats } = await running;
    expect(results['slow']).toMatchObject({ call: 2, attempt: 1, node: allocations['slow'] });
    expect(stats).toMatchObject({ speculated: 1, speculatedWon: 1, retries: 0 });
    expect(events.filter(({ functionId }) => functionId === 'slow').map(({ type }) => type)).toEqual([
      'function:finished',
    ]);
  });
});

describe('events', () => {
  it('report the copy, and which attempt finished first', async () => {
    const events = record(
      handoff(),
      'function:started',
      'function:speculated',
      'function:finished',
      'result:stored',
      'function:retrying',
      'function:failed',
    );
    const { allocations } = await handoff().execute(dagWith(s.heeding, new Words()), { speculate });
    const told = events.filter(({ functionId }) => functionId === 'slow');
    expect(told.map(({ type }) => type)).toEqual([
      'function:started',
      'function:speculated',
      'function:finished',
      'result:stored',
    ]);
    expect(told.map(({ node }) => node)).toEqual([
      allocations['f11'],
      allocations['slow'],
      allocations['slow'],
      allocations['slow'],
    ]);
    expect(told[1]).toMatchObject({ attempt: 1, thread: 0 });
  });

  it('have one span of the function: the one that gave the result', async () => {
    const events = record(handoff(), 'attempts');
    const words = new Words();
    const { allocations } = await handoff().execute(dagWith(s.heeding, words), { speculate });
    await handoff().execute(
      new Dag()
        .add({ id: 'x', code: s.heeding, extraArgs: [words.memory], node: 'a' })
        .add({ id: 'y', code: s.heeding, extraArgs: [words.memory], node: 'b' }),
    );
    const spans = events.filter(({ functionIds }) => functionIds.includes('slow'));
    expect(spans.map(({ node, failed }) => ({ node, failed }))).toEqual([{ node: allocations['slow'], failed: [] }]);
  });
});

describe('a run', () => {
  it('can be aborted while both run', async () => {
    const words = new Words();
    const controller = new AbortController();
    const running = handoff().execute(dagWith(s.failingFirst, words), { speculate, signal: controller.signal });
    while (words.calls < 1) await new Promise(setImmediate);
    controller.abort();
    words.release();
    expect(await errorOf(running)).toMatchObject({ code: 'ABORTED' });
  });

  it('may be followed by a run of the same id while the slower attempt is ending', async () => {
    const words = new Words();
    const dag = dagWith(s.lateAnswer, words);
    const first = await handoff().execute(dag, { speculate });
    const second = await handoff().execute(dag, { speculate });
    expect([first, second].map(({ results }) => results['slow'].call)).toEqual([2, 3]);
  });

  it('is explained with both attempts', async () => {
    const words = new Words();
    const dag = dagWith(s.failingCopy, words);
    const speculated = next(handoff(), 'function:speculated');
    const running = handoff().execute(dag, { speculate });
    await speculated;
    const { text } = handoff().explain(dag.id, 'slow');
    while (words.calls < 2) await new Promise(setImmediate);
    words.release();
    await running;
    expect(text).toMatch(/^slow runs on [ab], thread 0; as it takes long, once more on [ab], thread 0\.$/);
  });

  it('releases a result in shared memory that comes too late', async () => {
    const words = new Words();
    const { results } = await handoff().execute(dagWith(s.large, words), { speculate });
    expect(results['slow'].every((each: number) => each === 2)).toBe(true);
  });

  it.each([
    ['text', 'yes'],
    ['a factor below 1', { factor: 0.5 }],
    ['a factor that is none', { factor: Infinity }],
    ['ms below 0', { minMs: -1 }],
    ['a stranger', { factors: 2 }],
  ])('refuses %s as speculate', async (_, value) => {
    const error = await errorOf(handoff().execute(new Dag(), { speculate: value as never }));
    expect(error).toMatchObject({ code: 'INVALID_OPTION', option: 'speculate' });
    expect(error.message).toContain('true, false or { factor?, minMs? }');
  });
});

it('a Handoff stops after the slower attempt has ended', async () => {
  const own = await Handoff.start({ nodes: [{ name: 'a', capabilities: { cpu: 2 }, threads: 2 }] });
  const words = new Words();
  const { results } = await own.execute(dagWith(s.ignoring, words), { speculate });
  expect(results['slow']).toMatchObject({ call: 2 });
  await own.stop();
});
