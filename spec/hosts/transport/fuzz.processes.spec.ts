/**
 * Strangers who send what is nearly right. `FUZZ=full` for a million of them and another seed each time, `FUZZ_SEED` to
 * repeat a run.
 */
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { connect } from 'node:tls';
import { expect, it } from 'vitest';
import { dialOptions } from '../../../lib/hosts/transport/tcp/secure.ts';
import { TcpTransport } from '../../../lib/hosts/transport/tcp/tcp-transport.ts';
import { helloBytes } from '../../../lib/hosts/transport/tcp/hello.ts';
import type { Channel } from '../../../lib/hosts/transport/transport.ts';
import { echo, framesOf, greeting, ping, RawSocket } from './support.ts';

const isFull = process.env['FUZZ'] === 'full';
const count = isFull ? 1_000_000 : 4000;
const seed = Number(process.env['FUZZ_SEED'] ?? (isFull ? Date.now() % 2 ** 31 : 1));
const atOnce = 64;

type Random = (below: number) => number;

/** mulberry32 */
function randomFrom(start: number): Random {
  let state = start;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4294967296) * below);
  };
}

const bytesOf = (random: Random, length: number): Buffer => Buffer.from(Uint8Array.from({ length }, () => random(256)));
const lengths = [0, 1, 2, 0x7f, 0xff, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff];

/** What a dialler would send in clear, from its hello on. */
function spoken(random: Random): Buffer {
  const hello = Buffer.from(`${greeting()}${random(2) === 0 ? '\x01' : '\x02'}\0`, 'latin1');
  const json = Buffer.from('{"id":"stranger","incarnation":1,"address":"h:1","maxFrameBytes":4096}');
  const frames = Array.from({ length: random(4) }, () => {
    const frame = bytesOf(random, 5 + random(100));
    frame.writeUInt32BE(frame.length - 4);
    return frame;
  });
  return Buffer.concat([hello, Buffer.from([0, json.length]), json, ...frames]);
}

/** A ClientHello, with a key that is wrong: all else is as it should be. */
async function clientHello(): Promise<Buffer> {
  const first = Promise.withResolvers<Buffer>();
  const server = createServer((socket) =>
    socket
      .on('error', () => undefined)
      .once('data', (bytes: Buffer) => {
        first.resolve(bytes);
        socket.destroy();
      }),
  ).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const socket = connect({ port, host: '127.0.0.1', ...dialOptions({ kind: 'secret', key: Buffer.alloc(32, 1) }) }).on(
    'error',
    () => undefined,
  );
  const bytes = await first.promise;
  socket.destroy();
  server.close();
  return bytes;
}

const mutations: ((bytes: Buffer, random: Random) => Buffer)[] = [
  (bytes) => bytes,
  (bytes, random) => bytes.subarray(0, random(bytes.length + 1)),
  (bytes, random) => {
    for (let i = random(8); i >= 0; i--) bytes[random(bytes.length)]! ^= 1 << random(8);
    return bytes;
  },
  (bytes, random) => {
    bytes[random(Math.min(bytes.length, 48))] = random(256); // likely where it matters
    return bytes;
  },
  (bytes, random) => {
    bytes.writeUInt32BE(lengths[random(lengths.length)]!, random(bytes.length - 4));
    return bytes;
  },
  (bytes, random) => {
    const [from, to] = [random(bytes.length), random(bytes.length)];
    return Buffer.concat([bytes.subarray(0, to), bytes.subarray(from, from + random(64)), bytes.subarray(to)]);
  },
  (bytes, random) => {
    const from = random(bytes.length);
    return Buffer.concat([bytes.subarray(0, from), bytes.subarray(from + random(40))]);
  },
  (bytes, random) => Buffer.concat([bytes, Buffer.alloc(random(100_000), random(256))]),
  (_bytes, random) => bytesOf(random, random(300)),
];

it(`a host survives everything that strangers send: seed ${seed}`, { timeout: 3_600_000 }, async () => {
  const secret = 'open sesame, long and random';
  const hello = await clientHello();
  const server = new TcpTransport({
    identity: () => ({ id: 'host', incarnation: 0 }),
    port: 0,
    secret,
    handshakeTimeout: 60_000,
  });
  const client = new TcpTransport({ identity: () => ({ id: 'good', incarnation: 0 }), secret });
  const channels: Channel[] = [];
  const address = (await server.listen((channel) => {
    channels.push(channel);
    echo(channel);
  }))!;
  const good = await client.dial(address, 'control');
  const frames = framesOf(good);

  let done = 0;
  const stranger = async (number: number): Promise<void> => {
    const random = randomFrom(seed + number);
    let bytes = random(3) > 0 ? Buffer.from(hello) : spoken(random);
    for (let i = random(3); i >= 0; i--)
      bytes = mutations[random(mutations.length)]!(
        Buffer.concat([bytes, Buffer.alloc(Math.max(0, 8 - bytes.length))]),
        random,
      );
    const raw = new RawSocket(address);
    const cut = random(2) === 0 ? random(bytes.length + 1) : bytes.length;
    raw.write(bytes.subarray(0, cut));
    if (cut < bytes.length) {
      await new Promise((resolve) => setImmediate(resolve));
      raw.write(bytes.subarray(cut));
    }
    // Whoever has said too little to be judged leaves; all others are shown the door.
    raw.socket.end();
    await raw.closed;
    expect(raw.received.length, `stranger ${number} was told more than that it is refused`).toBeLessThanOrEqual(
      helloBytes,
    );
    done++;
  };
  const work = async (first: number): Promise<void> => {
    for (let number = first; number < count; number += atOnce) await stranger(number);
  };

  let memory = 0;
  const working = Promise.all(Array.from({ length: atOnce }, (_, first) => work(first)));
  let pings = 0;
  let over = false;
  void working.finally(() => (over = true)).catch(() => undefined);
  while (!over) {
    await ping(good, frames);
    frames.all.length = 0;
    pings++;
    if (memory === 0 && done > 2000) memory = process.memoryUsage().rss; // warm
    await new Promise((resolve) => setImmediate(resolve));
  }
  await working;
  expect(done).toBe(count);
  expect(pings).toBeGreaterThan(100);
  expect(process.memoryUsage().rss - memory).toBeLessThan(256 * 1024 * 1024);
  expect(channels).toHaveLength(1);
  await Promise.all([client.close(), server.close()]);
});
