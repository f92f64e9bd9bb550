/** When a peer is given up that says nothing, on a network within this process. */
import { requestChecks } from '../../../lib/runtime/requests.ts';
import { describe, expect, it } from 'vitest';
import { Peer } from '../../../lib/hosts/cluster/peer.ts';
import type { Pulse } from '../../../lib/hosts/transport/beacon/beacon.ts';
import { MemoryNetwork } from '../../../lib/hosts/transport/memory/memory-network.ts';
import { MemoryTransport } from '../../../lib/hosts/transport/memory/memory-transport.ts';

/** A peer that is silent on its channel from the beginning. */
async function silent(isAlive: boolean, stallTimeout: number): Promise<unknown> {
  const network = new MemoryNetwork();
  const [a, b] = ['a', 'b'].map((id) => new MemoryTransport(network, { identity: () => ({ id, incarnation: 1 }) })) as [
    MemoryTransport,
    MemoryTransport,
  ];
  const address = await b.listen(() => {});
  const channel = await a.dial(address!, 'control');
  let beats = 0;
  const pulse = { takeHeartbeat: () => (beats++, isAlive), end: () => {} } as unknown as Pulse;
  const closed = Promise.withResolvers<unknown>();
  const peer = new Peer(
    channel,
    { heartbeatInterval: 10, heartbeatTimeout: 50, stallTimeout },
    {
      message: () => {},
      request: () => undefined,
      requests: requestChecks,
      closed: (error) => closed.resolve({ error, beats }),
      find: () => Promise.reject(new Error('none')),
      dialBulk: () => Promise.reject(new Error('none')),
      pulse,
    },
  );
  peer.open();
  return closed.promise;
}

describe('a peer that is silent on its channel', () => {
  it('is lost after heartbeatTimeout when its beacon is silent, too', async () => {
    expect(await silent(false, 60_000)).toMatchObject({
      error: { code: 'NODE_DOWN', message: expect.stringContaining('has sent nothing for 50 ms') },
    });
  });

  it('is lost only after stallTimeout while its beacon gives signs of life', async () => {
    const { error, beats } = (await silent(true, 400)) as { error: Error; beats: number };
    expect(error).toMatchObject({
      code: 'NODE_DOWN',
      message: expect.stringContaining('its main thread has not answered for 400 ms'),
    });
    expect(beats).toBeGreaterThan(5);
  });
});
