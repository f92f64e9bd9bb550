/** Large results between two hosts on a network within this process, whose connections fail when they are told to. */
import { requestChecks } from '../../../lib/runtime/requests.ts';
import { describe, expect, it } from 'vitest';
import { Fetcher } from '../../../lib/hosts/cluster/fetcher.ts';
import { Peer } from '../../../lib/hosts/cluster/peer.ts';
import { MemoryNetwork } from '../../../lib/hosts/transport/memory/memory-network.ts';
import { MemoryTransport } from '../../../lib/hosts/transport/memory/memory-transport.ts';
import type { Channel } from '../../../lib/hosts/transport/transport.ts';
import { decode, encode } from '../../../lib/workers/store/encode.ts';
import { type PayloadData, type RemoteData, shapeOf } from '../../../lib/workers/store/payload.ts';
import { until } from './folder.ts';

const MiB = 2 ** 20;
const patient = { heartbeatInterval: 1000, heartbeatTimeout: 60_000 };

interface Pair {
  readonly network: MemoryNetwork;
  /** What b holds, as a can ask for it. */
  readonly remote: RemoteData;
  readonly value: Float64Array;
  readonly peer: Peer;
  readonly fetcher: Fetcher;
  /** The bulk channels that a has dialled. */
  readonly channels: Channel[];
  /** Bytes that b has sent on them. */
  sent(): number;
}

/** Host a, which dials, and host b, which holds something large. */
async function pair(
  dialBulk: (dial: () => Promise<Channel>, attempt: number) => Promise<Channel> = (dial) => dial(),
  bytes = MiB,
  isHeld = true,
): Promise<Pair> {
  const network = new MemoryNetwork();
  const [a, b] = ['a', 'b'].map((id) => new MemoryTransport(network, { identity: () => ({ id, incarnation: 1 }) })) as [
    MemoryTransport,
    MemoryTransport,
  ];
  const value = new Float64Array(bytes / 8).map((_, i) => i);
  const held = encode(value) as PayloadData;
  let sent = 0;
  const theirs = Promise.withResolvers<Peer>();
  const quiet = { message: () => {}, request: () => undefined, requests: requestChecks, closed: () => {} };
  const address = await b.listen((channel) => {
    if (channel.kind === 'bulk') {
      const send = channel.send.bind(channel);
      channel.send = (type, ...body) => {
        sent += body.reduce((sum, part) => sum + part.byteLength, 0);
        send(type, ...body);
      };
      return void theirs.promise.then((peer) => peer.takeBulk(channel));
    }
    const peer = new Peer(channel, patient, {
      ...quiet,
      find: () => (isHeld ? held : Promise.reject(new Error('b holds nothing'))),
      dialBulk: () => Promise.reject(new Error('b cannot dial')),
    });
    peer.open();
    theirs.resolve(peer);
  });
  const channels: Channel[] = [];
  let attempts = 0;
  const dial = async (): Promise<Channel> => {
    const channel = await a.dial(address!, 'bulk');
    channels.push(channel);
    return channel;
  };
  const peer = new Peer(await a.dial(address!, 'control'), patient, {
    ...quiet,
    find: () => Promise.reject(new Error('a holds nothing')),
    dialBulk: () => dialBulk(dial, ++attempts),
  });
  peer.open();
  const remote: RemoteData = { kind: 'remote', host: 'b', key: 'k', of: shapeOf(held)! };
  return { network, remote, value, peer, channels, fetcher: new Fetcher(new Map([['b', peer]])), sent: () => sent };
}

describe('a bulk channel that fails', () => {
  it('to open is tried again, without the loss of the host', async () => {
    const { fetcher, remote, value, peer } = await pair((dial, attempt) =>
      attempt < 3 ? Promise.reject(new Error('too many strangers')) : dial(),
    );
    expect(decode(await fetcher.fetch(remote))).toEqual(value);
    expect(peer.closed).toBe(false);
  });

  it('in the middle is reopened, and the transfer starts again, without the loss of the host', async () => {
    const { fetcher, remote, value, peer, channels } = await pair(undefined, 32 * MiB);
    const coming = fetcher.fetch(remote);
    await until(() => channels.length === 1);
    channels[0]!.close(new Error('cut'));
    expect(decode(await coming)).toEqual(value);
    expect(channels).toHaveLength(2);
    expect(peer.closed).toBe(false);
  });

  it('fails its waiting transfers when its host is gone', async () => {
    const { fetcher, remote, peer } = await pair(() => Promise.reject(new Error('too many strangers')));
    const coming = fetcher.fetch(remote);
    peer.close();
    await expect(coming).rejects.toMatchObject({ code: 'NODE_DOWN' });
  });
});

describe('a fetch', () => {
  it('of a result that its host no longer holds is RESULT_LOST, and is not tried again', async () => {
    const { fetcher, remote, channels } = await pair(undefined, MiB, false);
    await expect(fetcher.fetch(remote)).rejects.toMatchObject({ code: 'RESULT_LOST' });
    expect(channels).toHaveLength(1);
  });

  it('ends when all its requests are aborted, and the holder stops sending', async () => {
    const bytes = 64 * MiB;
    const { fetcher, remote, sent } = await pair(undefined, bytes);
    const [one, two] = [new AbortController(), new AbortController()];
    const both = [one, two].map(({ signal }) => fetcher.fetch(remote, { signal }));
    await until(() => sent() > 0);
    one.abort();
    two.abort();
    for (const each of both) await expect(each).rejects.toMatchObject({ code: 'ABORTED' });
    let before = -1;
    await until(() => before === (before = sent())); // nothing more has come within a while
    expect(sent()).toBeLessThan(bytes);
  });

  it('continues while one request remains', async () => {
    const { fetcher, remote, value, sent } = await pair(undefined, 8 * MiB);
    const one = new AbortController();
    const dropped = fetcher.fetch(remote, { signal: one.signal });
    const wanted = fetcher.fetch(remote);
    await until(() => sent() > 0);
    one.abort();
    expect(decode(await wanted)).toEqual(value);
    await dropped;
  });
});
