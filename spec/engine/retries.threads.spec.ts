import { describe, expect, it } from 'vitest';
import { c, counter, dagOf, errorOf, t, useHandoff } from '../support/handoff.ts';

const handoff = useHandoff();

describe('retries', () => {
  it('are extra attempts: 2 of them make 3 calls', async () => {
    const calls = counter();
    const error = await errorOf(
      handoff().execute(dagOf({ id: 'a', code: t.failTimes, extraArgs: [calls.memory, 99] }), { maxRetries: 2 }),
    );
    expect(error).toMatchObject({ code: 'FUNCTION_FAILED', attempts: 3, cause: { message: 'call 3' } });
    expect(calls.value).toBe(3);
  });

  it('are 3 by default', async () => {
    const calls = counter();
    await errorOf(handoff().execute(dagOf({ id: 'a', code: t.failTimes, extraArgs: [calls.memory, 99] })));
    expect(calls.value).toBe(4);
  });

  it('of the function win over those of the run', async () => {
    const calls = counter();
    await errorOf(
      handoff().execute(dagOf({ id: 'a', code: t.failTimes, extraArgs: [calls.memory, 99], maxRetries: 0 }), {
        maxRetries: 5,
      }),
    );
    expect(calls.value).toBe(1);
  });

  it('stop at the first success, and are counted', async () => {
    const calls = counter();
    const { results, stats } = await handoff().execute(
      dagOf({ id: 'a', code: t.failTimes, extraArgs: [calls.memory, 1] }),
      { maxRetries: 1 },
    );
    expect(results).toEqual({ a: 2 });
    expect(calls.value).toBe(2);
    expect(stats.retries).toBe(1);
  });

  it('tell the function which attempt it is', async () => {
    expect((await handoff().execute(dagOf({ id: 'a', code: c.failFirst }))).results).toEqual({ a: 2 });
  });

  it('go to another node first', async () => {
    const nodes: string[] = [];
    const listener = (event: { node: string }): void => void nodes.push(event.node);
    handoff().on('function:retrying', listener);
    const { allocations } = await handoff().execute(dagOf({ id: 'a', code: c.failFirst }));
    handoff().off('function:retrying', listener);
    expect(nodes).toEqual(['a']);
    expect(allocations).toEqual({ a: 'b' });
  });

  it('stay on the node of a pinned function', async () => {
    const { allocations } = await handoff().execute(dagOf({ id: 'a', code: c.failFirst, node: 'a' }));
    expect(allocations).toEqual({ a: 'a' });
  });

  it('wait for their delay, which grows', async () => {
    const delays: number[] = [];
    const listener = (event: { delayMs: number }): void => void delays.push(event.delayMs);
    handoff().on('function:retrying', listener);
    await errorOf(
      handoff().execute(
        dagOf({ id: 'a', code: t.boom, retryDelay: { initial: 2, factor: 3, max: 10 }, maxRetries: 3 }),
      ),
    );
    handoff().off('function:retrying', listener);
    expect(delays).toEqual([2, 6, 10]);
  });

  it('follow retryIf, which receives the original error and the attempt', async () => {
    const calls = counter();
    const error = await errorOf(
      handoff().execute(
        dagOf({ id: 'a', code: t.failTimes, extraArgs: [calls.memory, 99], retryIf: t.secondAttemptOnly }),
      ),
    );
    expect(error.attempts).toBe(2);
    expect(calls.value).toBe(2);
    expect((await errorOf(handoff().execute(dagOf({ id: 'a', code: t.boom, retryIf: t.isTaskError })))).attempts).toBe(
      4,
    );
    expect(
      (
        await errorOf(
          handoff().execute(
            dagOf({ id: 'a', code: t.throwValue, extraArgs: [{ name: 'Other' }], retryIf: t.isTaskError }),
          ),
        )
      ).attempts,
    ).toBe(1);
  });

  it('end when retryIf itself fails, with both errors', async () => {
    const error = await errorOf(handoff().execute(dagOf({ id: 'a', code: t.boom, retryIf: t.boom as never })));
    expect(error.attempts).toBe(1);
    expect((error.cause as AggregateError).errors).toHaveLength(2);
  });

  it('run inline functions again, with each attempt of their dependent', async () => {
    const inline = counter();
    const calls = counter();
    await errorOf(
      handoff().execute(
        dagOf(
          { id: 'i', code: t.count, extraArgs: [inline.memory, 1], type: 'inline' },
          { id: 'a', code: t.failTimes, args: ['i'], layout: [{ value: calls.memory }, { value: 99 }, { arg: 0 }] },
        ),
        { maxRetries: 2 },
      ),
    );
    expect(calls.value).toBe(3);
    expect(inline.value).toBe(3);
  });
});
