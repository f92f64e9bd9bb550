import { describe, expect, it } from 'vitest';
import { MemoryNetwork } from '../../../lib/hosts/transport/memory/memory-network.ts';
import { MemoryTransport } from '../../../lib/hosts/transport/memory/memory-transport.ts';
import type { Channel } from '../../../lib/hosts/transport/transport.ts';
import { echo, framesOf, pattern, ping } from './support.ts';
import { transportContract } from './contract.ts';

const shared = new MemoryNetwork();
transportContract('the memory transport', (identity) => new MemoryTransport(shared, { identity: () => identity }));

const turns = async (): Promise<void> => {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
};

describe('a memory network', () => {
  const connected = async () => {
    const network = new MemoryNetwork();
    const [a, b] = ['a', 'b'].map(
      (id) => new MemoryTransport(network, { identity: () => ({ id, incarnation: 0 }) }),
    ) as [MemoryTransport, MemoryTransport];
    const accepted = Promise.withResolvers<Channel>();
    const address = (await b.listen(accepted.resolve))!;
    const near = await a.dial(address, 'control');
    return { network, a, b, address, near, far: await accepted.promise };
  };

  it('shares no memory between hosts', async () => {
    const { near, far } = await connected();
    const frames = framesOf(far);
    const body = pattern(10);
    near.send(1, body);
    const [frame] = await frames.first(1);
    expect(frame!.body.buffer).not.toBe(body.buffer);
  });

  it('loses what is sent while it is cut, and nothing else', async () => {
    const { network, a, address, near, far } = await connected();
    const [there, back] = [framesOf(far), framesOf(near)];
    near.send(1);
    await there.first(1);
    network.cut('b', 'a');
    near.send(2);
    far.send(2);
    await turns();
    await expect(a.dial(address, 'control')).rejects.toMatchObject({ code: 'NODE_DOWN' });
    network.heal('a', 'b');
    near.send(3);
    far.send(3);
    await Promise.all([there.first(2), back.first(1)]);
    expect(there.all.map(({ type }) => type)).toEqual([1, 3]);
    expect(back.all.map(({ type }) => type)).toEqual([3]);
  });

  it('reports a close during a cut when the cut ends', async () => {
    const { network, near, far } = await connected();
    network.cut('a', 'b');
    near.close();
    expect(await near.closed).toBeUndefined();
    network.heal('a', 'b');
    far.send(1);
    expect(await far.closed).toMatchObject({ code: 'NODE_DOWN', message: expect.stringContaining('reset') });
  });

  it('disconnects two hosts and no others', async () => {
    const { network, near, far, address } = await connected();
    const c = new MemoryTransport(network, { identity: () => ({ id: 'c', incarnation: 0 }) });
    const other = await c.dial(address, 'control');
    network.disconnect('a', 'b');
    expect(await near.closed).toMatchObject({ code: 'NODE_DOWN' });
    expect(await far.closed).toMatchObject({ code: 'NODE_DOWN' });
    const again = Promise.withResolvers<Channel>();
    const d = new MemoryTransport(network, { identity: () => ({ id: 'd', incarnation: 0 }), address: 'there' });
    await d.listen(again.resolve);
    const second = await c.dial('there', 'control');
    echo(await again.promise);
    await ping(second, framesOf(second));
    other.close();
    expect(await other.closed).toBeUndefined();
  });

  it('has each address once', async () => {
    const { network, address } = await connected();
    const c = new MemoryTransport(network, { identity: () => ({ id: 'c', incarnation: 0 }), address });
    await expect(c.listen(() => undefined)).rejects.toMatchObject({ code: 'INVALID_OPTION' });
  });
});
