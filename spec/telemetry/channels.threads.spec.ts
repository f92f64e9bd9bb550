import { channel, subscribe, unsubscribe } from 'node:diagnostics_channel';
import { describe, expect, it } from 'vitest';
import { eventTypes, Handoff } from '../../lib/index.ts';
import { HandoffEmitter } from '../../lib/runtime/emitter.ts';
import { dagOf, errorOf, t, twoNodes, useHandoff } from '../support/handoff.ts';

const handoff = useHandoff();

/** What is published on some channels while `act` runs. */
async function publishedOn(names: readonly string[], act: () => Promise<unknown>): Promise<any[]> {
  const messages: any[] = [];
  const listener = (message: unknown, name: string | symbol): void => void messages.push([name, message]);
  for (const name of names) subscribe(name, listener);
  await act();
  for (const name of names) unsubscribe(name, listener);
  return messages;
}

describe('diagnostics channels', () => {
  it('carry events of their type, without', async () => {
    const names = [
      'handoffjs:run:started',
      'handoffjs:function:started',
      'handoffjs:function:finished',
      'handoffjs:run:finished',
    ];
    const messages = await publishedOn(names, () => handoff().execute(dagOf({ id: 'a', code: t.one })));
    expect(messages.map(([name]) => name)).toEqual(names);
    expect(messages.map(([, { type }]) => `handoffjs:${type}`)).toEqual(names);
    expect(messages[2]![1]).toMatchObject({ functionId: 'a', attempt: 1, node: expect.any(String) });
  });

  it('carry spans, retries and failures with their errors', async () => {
    const messages = await publishedOn(
      ['handoffjs:attempts', 'handoffjs:function:retrying', 'handoffjs:run:failed'],
      () => errorOf(handoff().execute(dagOf({ id: 'a', code: t.boom, maxRetries: 1 }))),
    );
    expect(messages.map(([name]) => name)).toEqual([
      'handoffjs:attempts',
      'handoffjs:function:retrying',
      'handoffjs:attempts',
      'handoffjs:run:failed',
    ]);
    expect(messages[1]![1].error).toMatchObject({ name: 'TaskError' });
    expect(messages[3]![1].error).toMatchObject({ code: 'FUNCTION_FAILED' });
  });

  it('are of all Handoffs of the process', async () => {
    const own = await Handoff.start({ nodes: [twoNodes[0]!] });
    const messages = await publishedOn(['handoffjs:run:started'], () =>
      Promise.all([own.execute(dagOf({ id: 'a', code: t.one })), handoff().execute(dagOf({ id: 'a', code: t.one }))]),
    );
    expect(messages).toHaveLength(2);
    await own.stop();
  });

  it('make an event wanted for as long as a listener has subscribed, and no longer', async () => {
    const publisher = HandoffEmitter.publisherOf(new HandoffEmitter());
    const listener = (): void => {};
    for (const type of eventTypes) {
      expect(publisher.wants(type)).toBe(false);
      subscribe(`handoffjs:${type}`, listener);
      expect(publisher.wants(type)).toBe(true);
      unsubscribe(`handoffjs:${type}`, listener);
      expect(publisher.wants(type)).toBe(false);
    }
    expect(channel('handoffjs:run:started').hasSubscribers).toBe(false);
  });

  it('harm no run when a subscriber throws; its error is uncaught', async () => {
    const before = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException'); // the test runner's own
    const uncaught = new Promise((resolve) => process.once('uncaughtException', resolve));
    const listener = (): void => {
      throw new Error('a subscriber');
    };
    subscribe('handoffjs:run:finished', listener);
    expect((await handoff().execute(dagOf({ id: 'a', code: t.one }))).results).toEqual({ a: 1 });
    unsubscribe('handoffjs:run:finished', listener);
    expect(await uncaught).toMatchObject({ message: 'a subscriber' });
    for (const listener_ of before) process.on('uncaughtException', listener_);
  });
});
