/**
 * What strangers can do to a host, and what is done to them: all over real sockets, with a good peer at work beside.
 */
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { inspect } from 'node:util';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { HandoffError } from '../../../lib/core/errors.ts';
import { helloBytes } from '../../../lib/hosts/transport/tcp/hello.ts';
import type { ConnectionRefused, TcpOptions } from '../../../lib/hosts/transport/tcp/options.ts';
import { TcpTransport } from '../../../lib/hosts/transport/tcp/tcp-transport.ts';
import type { Channel } from '../../../lib/hosts/transport/transport.ts';
import { ours } from './certificates.ts';
import { echo, framesOf, greeting, pattern, ping, provenSocket, RawSocket } from './support.ts';

const secret = 'a secret that nobody may see';
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

function transport(options: Partial<TcpOptions> = {}): TcpTransport {
  const made = new TcpTransport({ identity: () => ({ id: 'somebody', incarnation: 0 }), ...options });
  closing.push(() => made.close());
  return made;
}

/** A host that answers frames, and its channels. */
async function host(options: Partial<TcpOptions> = {}) {
  const made = transport({ port: 0, secret, ...options });
  const channels: Channel[] = [];
  const waiting: ((channel: Channel) => void)[] = [];
  const address = (await made.listen((channel) => {
    channels.push(channel);
    if (channel.peer.id !== 'raw') echo(channel);
    waiting.shift()?.(channel);
  }))!;
  return { transport: made, address, channels, next: () => new Promise<Channel>((resolve) => waiting.push(resolve)) };
}

/** A peer in good standing, and a function that sees whether it still is. */
async function goodPeer(address: string) {
  const channel = await transport({ secret, identity: () => ({ id: 'good', incarnation: 0 }) }).dial(
    address,
    'control',
  );
  const frames = framesOf(channel);
  await ping(channel, frames);
  return { check: () => ping(channel, frames) };
}

/** A server that is not ours. */
async function stranger(onSocket: (socket: Socket) => void): Promise<string> {
  const server: Server = createServer((socket) => {
    socket.on('error', () => undefined);
    closing.push(() => socket.destroy());
    onSocket(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(() => new Promise((resolve) => server.close(resolve)));
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const rejected = async (dialling: Promise<unknown>): Promise<HandoffError> => {
  const error = await dialling.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(HandoffError);
  return error as HandoffError;
};

describe('a client without the secret', () => {
  it.each([
    ['another', 'a guess that is long enough', 'has a different secret'],
    ['none', undefined, 'it accepts only TLS'],
  ])('is refused and told nothing: %s', async (_name, wrong, why) => {
    const refused: ConnectionRefused[] = [];
    const { address, channels } = await host({ onRefused: (refusal) => void refused.push(refusal) });
    const good = await goodPeer(address);
    const error = await rejected(transport(wrong === undefined ? {} : { secret: wrong }).dial(address, 'control'));
    expect(error).toMatchObject({ code: 'UNAUTHORIZED', message: expect.stringContaining(`the host at ${address} `) });
    expect(error.message).toContain(why);
    await good.check();
    expect(channels).toHaveLength(1);
    expect(refused).toMatchObject([
      {
        peer: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
        dialled: false,
        error: {
          code: 'UNAUTHORIZED',
          message: expect.stringMatching(wrong === undefined ? /does not use TLS/ : /has a different secret/),
        },
        others: 0,
      },
    ]);
  });

  it('is refused by a host that has none, and both say so', async () => {
    const refused: ConnectionRefused[] = [];
    const made = transport({ port: 0, onRefused: (refusal) => void refused.push(refusal) });
    const address = (await made.listen(() => expect.unreachable()))!;
    const dialling: ConnectionRefused[] = [];
    expect(
      await rejected(
        transport({ secret, onRefused: (refusal) => void dialling.push(refusal) }).dial(address, 'control'),
      ),
    ).toMatchObject({ code: 'UNAUTHORIZED', message: expect.stringContaining('has neither a secret nor tls') });
    expect(refused).toMatchObject([
      { error: { message: expect.stringContaining('speaks TLS, but this host has neither') } },
    ]);
    expect(dialling).toMatchObject([{ peer: address, dialled: true, error: { code: 'UNAUTHORIZED' } }]);
  });

  it('can read no message, and not even who sends it', async () => {
    const { address, next } = await host();
    const recorded: Buffer[] = [];
    const proxy = await stranger((socket) => {
      const onward = new RawSocket(address).socket;
      closing.push(() => onward.destroy());
      onward.on('data', (bytes: Buffer) => recorded.push(bytes));
      socket.on('data', (bytes: Buffer) => recorded.push(bytes));
      socket.pipe(onward).pipe(socket);
    });
    const accepted = next();
    const channel = await transport({ secret, identity: () => ({ id: 'name of the dialler', incarnation: 0 }) }).dial(
      proxy,
      'control',
    );
    await accepted;
    const frames = framesOf(channel);
    channel.send(1, Buffer.from('what is said'));
    await frames.first(1);
    const bytes = Buffer.concat(recorded);
    for (const text of ['HOFF', 'name of the dialler', 'somebody', 'what is said', secret])
      expect(bytes.includes(text), text).toBe(false);
  });

  it('cannot replay what it has recorded', async () => {
    const { address, channels, next } = await host();
    const recorded: Buffer[] = [];
    const proxy = await stranger((socket) => {
      const onward = new RawSocket(address).socket;
      closing.push(() => onward.destroy());
      socket.on('data', (bytes: Buffer) => recorded.push(bytes));
      socket.pipe(onward).pipe(socket);
    });
    const accepted = next();
    await transport({ secret }).dial(proxy, 'control');
    await accepted;
    const replay = new RawSocket(address);
    replay.write(Buffer.concat(recorded));
    await replay.closed;
    expect(channels).toHaveLength(1);
  });

  it('cannot send back what a host says', async () => {
    const mirror = await stranger((socket) => socket.pipe(socket));
    expect(await rejected(transport({ secret }).dial(mirror, 'control'))).toMatchObject({
      code: expect.stringMatching(/UNAUTHORIZED|PROTOCOL_ERROR/),
    });
    expect(await rejected(transport().dial(mirror, 'control'))).toMatchObject({ code: 'PROTOCOL_ERROR' });
  });

  it('cannot replace a host by a certificate of any authority', async () => {
    const server = createTlsServer({ cert: ours.cert, key: ours.key, minVersion: 'TLSv1.3' }, (socket) =>
      socket.on('error', () => undefined).write(`${greeting()}\0\0`),
    );
    server.on('connection', (socket: Socket) => closing.push(() => socket.destroy()));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    closing.push(() => new Promise((resolve) => server.close(resolve)));
    const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    expect(await rejected(transport({ secret }).dial(address, 'control'))).toMatchObject({
      code: 'UNAUTHORIZED',
      message: expect.stringContaining('presented a certificate'),
    });
  });

  it('is cut off when it is slow, while others are served', async () => {
    const { address, channels } = await host({ handshakeTimeout: 1000 });
    const good = await goodPeer(address);
    const slow = new RawSocket(address);
    for (const byte of [0x16, 3, 1]) {
      slow.write(Buffer.from([byte]));
      await good.check();
    }
    await slow.closed;
    expect(slow.received).toHaveLength(0);
    await good.check();
    expect(channels).toHaveLength(1);
    await goodPeer(address);
  });
});

describe('a client that fills a host with connections', () => {
  const kinds: [string, Partial<TcpOptions>][] = [
    ['plain', { secret: undefined as never }],
    ['a secret', {}],
    ['TLS', { tls: ours }],
  ];

  it.each(kinds)('gives way to later connections, and real hosts get through: %s', async (_name, given) => {
    const { secret: _secret, ...rest } = { secret, ...given };
    const options = 'secret' in given ? rest : { ...rest, secret };
    const { address } = await host({ maxUnproven: 4, maxUnprovenPerAddress: 3, handshakeTimeout: 600_000, ...given });
    const idle = Array.from({ length: 3 }, () => new RawSocket(address));
    await Promise.all(idle.map(({ socket }) => once(socket, 'connect')));
    const channel = await transport(options).dial(address, 'control');
    await ping(channel, framesOf(channel));
    await Promise.race(idle.map(({ closed }) => closed)); // one had to make room
    for (const { socket } of idle) socket.destroy();
  });

  it('cannot keep real hosts out by opening ever more', async () => {
    const { address, channels } = await host({ maxUnproven: 32, maxUnprovenPerAddress: 32, handshakeTimeout: 600_000 });
    let over = false;
    let opened = 0;
    const flood = async (): Promise<void> => {
      while (!over) {
        const raw = new RawSocket(address);
        if (opened++ % 2 === 0) raw.write(Buffer.from([0x16, 3, 1, 2]));
        await Promise.race([raw.closed, new Promise((resolve) => raw.socket.once('connect', resolve))]);
        closing.push(() => raw.socket.destroy());
      }
    };
    const flooding = Promise.all(Array.from({ length: 4 }, flood));
    while (opened < 100) await new Promise((resolve) => setImmediate(resolve));
    for (let k = 0; k < 5; k++) {
      const channel = await transport({ secret, handshakeTimeout: 60_000 }).dial(address, 'bulk');
      await ping(channel, framesOf(channel));
    }
    over = true;
    await flooding;
    expect(channels).toHaveLength(5);
  });

  it('is reported at most ten times a second, with the number of omitted reports', async () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    closing.push(() => vi.useRealTimers());
    const refused: ConnectionRefused[] = [];
    const { address } = await host({ onRefused: (refusal) => void refused.push(refusal) });
    const knock = async (): Promise<void> => {
      const raw = new RawSocket(address);
      raw.write(Buffer.from('GET / HTTP/1.1\r\n\r\n'));
      await raw.closed;
    };
    for (let k = 0; k < 30; k++) await knock();
    expect(refused.map(({ others }) => others)).toEqual(Array.from({ length: 10 }, () => 0));
    vi.advanceTimersByTime(999);
    await knock();
    expect(refused).toHaveLength(10);
    vi.advanceTimersByTime(1);
    await knock();
    expect(refused).toHaveLength(11);
    expect(refused.at(-1)).toMatchObject({
      others: 21,
      error: { code: 'PROTOCOL_ERROR', message: expect.stringContaining('GET / HTTP') },
    });
  });
});

describe('a client that does not speak the protocol', () => {
  it.each([
    ['with a secret', secret],
    ['without', undefined],
  ])('is cut off at its first bytes, and told nothing: %s', async (_name, own) => {
    const made = transport({ port: 0, ...(own !== undefined && { secret: own }) });
    const address = (await made.listen(echo))!;
    const good = await transport(own === undefined ? {} : { secret: own }).dial(address, 'control');
    const frames = framesOf(good);
    for (const garbage of [
      'GET / HTTP/1.1\r\n\r\n',
      '\0',
      `${greeting()}\x07\0`,
      '\xff'.repeat(1000),
      '\x16\x03\x01\0\x05hello',
    ]) {
      const raw = new RawSocket(address);
      raw.write(Buffer.from(garbage, 'latin1'));
      await raw.closed;
      expect(raw.received.length).toBeLessThanOrEqual(helloBytes);
    }
    await ping(good, frames);
  });

  it.each([
    ['garbage', 'HTTP/1.1 400 Bad Request\r\n\r\n', 'PROTOCOL_ERROR', 'PROTOCOL_ERROR'],
    ['another version', `${greeting(1)}\0\0`, 'PROTOCOL_ERROR', 'VERSION_MISMATCH'],
    ['nothing', '', 'NODE_DOWN', 'NODE_DOWN'],
  ])('is told apart by who dials it: %s', async (_name, answer, safe, unsafe) => {
    const address = await stranger((socket) => socket.once('data', () => socket.end(Buffer.from(answer, 'latin1'))));
    expect(await rejected(transport({ secret }).dial(address, 'control'))).toMatchObject({
      code: safe,
      message: expect.stringContaining(address),
    });
    expect(await rejected(transport().dial(address, 'control'))).toMatchObject({
      code: unsafe,
      message: expect.stringContaining(address),
    });
  });

  it('receives the version of a host, and no more', async () => {
    const made = transport({ port: 0 });
    const address = (await made.listen(() => expect.unreachable()))!;
    const raw = new RawSocket(address);
    raw.write(Buffer.from(`${greeting(1)}\x01\0`, 'latin1'));
    await raw.closed;
    expect(raw.received).toHaveLength(helloBytes);
    expect(raw.received.subarray(0, 6).toString('latin1')).toBe(greeting());
  });

  it('is disconnected when it is silent', async () => {
    const address = await stranger(() => undefined);
    expect(await rejected(transport({ secret, handshakeTimeout: 50 }).dial(address, 'control'))).toMatchObject({
      code: 'NODE_DOWN',
      message: expect.stringContaining('handshakeTimeout'),
    });
  });

  it('is disconnected when the transport closes', async () => {
    const connected = Promise.withResolvers<Socket>();
    const address = await stranger(connected.resolve);
    const made = transport({ secret });
    const dialling = rejected(made.dial(address, 'control'));
    await connected.promise;
    await made.close();
    expect(await dialling).toMatchObject({ code: 'STOPPED' });
  });
});

describe('a proven peer that goes wrong', () => {
  it.each([
    ['a length of 4 GiB', 'ffffffff01'],
    ['a length of nothing', '00000000'],
    ['a goodbye with a body', '00000002ff00'],
  ])('has its channel closed, and no other: %s', async (_name, hex) => {
    const { address, next } = await host();
    const good = await goodPeer(address);
    const accepted = next();
    const { socket } = await provenSocket(address, secret);
    const channel = await accepted;
    framesOf(channel);
    const closed = once(socket, 'close');
    socket.write(Buffer.from(hex, 'hex'));
    expect(await channel.closed).toMatchObject({ code: 'PROTOCOL_ERROR' });
    await closed;
    await good.check();
  });

  it('is refused at once when the data with its proof are wrong', async () => {
    const { address, next } = await host();
    const accepted = next();
    const { socket } = await provenSocket(address, secret);
    socket.write(Buffer.from('00000000', 'hex'));
    expect(await (await accepted).closed).toMatchObject({ code: 'PROTOCOL_ERROR' }); // nobody receives
  });

  it.each([
    ['between frames', '0000000101', 'without a goodbye'],
    ['within a frame', '0000000501', 'in the middle of a frame'],
    ['within a header', '0000', 'in the middle of a frame'],
  ])('is down when its process dies: %s', async (_name, hex, how) => {
    const { address, next } = await host();
    const accepted = next();
    const { socket } = await provenSocket(address, secret);
    framesOf(await accepted);
    socket.end(Buffer.from(hex, 'hex')); // what a system does for a process that is no more
    expect(await (await accepted).closed).toMatchObject({ code: 'NODE_DOWN', message: expect.stringContaining(how) });
  });

  it('is down when its connection is reset', async () => {
    const made = transport({ port: 0 });
    const { promise: accepted, resolve } = Promise.withResolvers<Channel>();
    const address = (await made.listen(resolve))!;
    const { socket } = await provenSocket(address);
    socket.resetAndDestroy();
    expect(await (await accepted).closed).toMatchObject({
      code: 'NODE_DOWN',
      message: expect.stringContaining('ECONNRESET'),
      cause: { code: 'ECONNRESET' },
    });
  });

  it('is disconnected when it reads nothing', async () => {
    const { address, next } = await host({ maxQueuedBytes: 8 * 1024 * 1024 });
    const accepted = next();
    const { socket } = await provenSocket(address, secret);
    socket.pause();
    const channel = await accepted;
    const body = pattern(1024 * 1024);
    let open = true;
    void channel.closed.then(() => (open = false));
    while (open) {
      channel.send(1, body);
      expect(channel.queued).toBeLessThan(10 * 1024 * 1024);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await channel.closed).toMatchObject({
      code: 'NODE_DOWN',
      message: expect.stringContaining('maxQueuedBytes'),
    });
    socket.destroy();
  });

  it('does not hold up a channel that is being closed', async () => {
    const { address, next } = await host();
    const accepted = next();
    const { socket } = await provenSocket(address, secret);
    socket.pause();
    const channel = await accepted;
    for (let i = 0; i < 4; i++) channel.send(1, new Uint8Array(16 * 1024 * 1024));
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      channel.close();
      vi.advanceTimersByTime(30_000);
    } finally {
      vi.useRealTimers();
    }
    expect(await channel.closed).toBeUndefined();
    socket.destroy();
  });

  it('is read no further without a receiver', async () => {
    const { address, next } = await host();
    const accepted = next();
    const { socket } = await provenSocket(address, secret);
    const channel = await accepted;
    const frame = Buffer.concat([Buffer.from('0010000101', 'hex'), pattern(1024 * 1024)]);
    const count = 64;
    let written = 0;
    for (let i = 0; i < count; i++) socket.write(frame, () => written++);
    // As many turns as would do for all of it many times.
    for (let turn = 0; turn < 5000; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(written).toBeLessThan(count / 2);
    const reader = framesOf(channel);
    await reader.first(count);
    expect(reader.all).toHaveLength(count);
    socket.destroy();
  });
});

describe('the secret', () => {
  it('appears in nothing that can be printed', async () => {
    const { transport: made, address, channels } = await host();
    const near = await transport({ secret }).dial(address, 'control');
    const errors = [
      await rejected(transport({ secret: `${secret}!` }).dial(address, 'control')),
      await rejected(transport({ secret }).dial('127.0.0.1:1', 'control')),
      await rejected(transport({ secret, identity: () => ({ id: '', incarnation: 0 }) }).dial(address, 'control')),
      await rejected(Promise.resolve().then(() => transport({ secret: secret.slice(0, 12) }))),
    ];
    expect(errors.map(({ code }) => code)).toEqual(['UNAUTHORIZED', 'NODE_DOWN', 'INVALID_OPTION', 'INVALID_OPTION']);
    const printed = [made, near, ...channels, ...errors].flatMap((value) => [
      inspect(value, { depth: 20, showHidden: true, getters: true }),
      JSON.stringify(value, undefined, 1),
      String(value),
    ]);
    for (const text of printed) expect(text).not.toContain(secret.slice(0, 12));
  });

  it.each([['0.0.0.0'], ['::'], ['10.1.2.3'], ['example.com']])('is needed to listen on %s', (hostname) => {
    const make = (options: Partial<TcpOptions>) => () =>
      new TcpTransport({ identity: () => ({ id: 'a', incarnation: 0 }), host: hostname, ...options });
    expect(make({ port: 0 })).toThrow(expect.objectContaining({ code: 'INVALID_OPTION', option: 'secret' }));
    expect(make({})).not.toThrow(); // it only dials
    expect(make({ port: 0, secret, advertise: 'me.example' })).not.toThrow();
  });

  it.each([
    ['secret', { secret: '' }],
    ['secret', { secret: 'fifteen letters' }],
    ['secret', { secret: 5 as never }],
    ['host', { host: '' }],
    ['port', { port: -1 }],
    ['port', { port: 65_536 }],
    ['advertise', { advertise: 'a b' }],
    ['advertise', { host: '0.0.0.0', port: 0, secret }],
    ['maxFrameBytes', { maxFrameBytes: 0 }],
    ['maxFrameBytes', { maxFrameBytes: 16 }],
    ['maxUnprovenPerAddress', { maxUnprovenPerAddress: 0 }],
    ['port', { host: 'unix:/run/x', port: 0 }],
    ['host', { host: 'unix:x' }],
    ['handshakeTimeout', { handshakeTimeout: 0 }],
    ['maxUnproven', { maxUnproven: 0.5 }],
    ['maxQueuedBytes', { maxQueuedBytes: NaN }],
    ['identity', { identity: 'me' as never }],
    ['tls', { tls: { cert: 'x', key: 'y', ca: 'z' } }],
    ['tls', { tls: { cert: 'x', key: 'y' } as never }],
  ])('and other options are checked: %s', (option, options) => {
    expect(() => new TcpTransport({ identity: () => ({ id: 'a', incarnation: 0 }), ...options })).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION', option }),
    );
  });
});

describe('where a host listens', () => {
  it('gives the address to dial', async () => {
    const list = async (options: Partial<TcpOptions>) =>
      transport({ port: 0, secret, ...options }).listen(() => undefined);
    expect(await list({})).toMatch(/^127\.0\.0\.1:\d+$/);
    expect(await list({ host: 'localhost' })).toMatch(/^localhost:\d+$/);
    expect(await list({ advertise: 'me.example' })).toMatch(/^me\.example:\d+$/);
    expect(await list({ advertise: 'me.example:77' })).toBe('me.example:77');
    expect(await list({ advertise: '[fe80::1]' })).toMatch(/^\[fe80::1\]:\d+$/);
    expect(await transport().listen(() => undefined)).toBeUndefined();
  });

  it.each([
    ['larger', 4096, 1 << 20],
    ['smaller', 1 << 20, 4096],
  ])('sends no longer frames than the other side takes, which is %s', async (_name, own, others) => {
    const { address, next } = await host({ maxFrameBytes: others });
    const accepted = next();
    const near = await transport({ secret, maxFrameBytes: own }).dial(address, 'control');
    const far = await accepted;
    expect([near.maxFrameBytes, far.maxFrameBytes]).toEqual([4096, 4096]);
    const frames = framesOf(near);
    expect(() => near.send(1, pattern(4097))).toThrow(expect.objectContaining({ code: 'PROTOCOL_ERROR' }));
    near.send(1, pattern(4096));
    await frames.first(1);
  });

  it('reports when it cannot listen', async () => {
    const { address } = await host();
    const port = Number(address.split(':')[1]);
    await expect(transport({ port }).listen(() => undefined)).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      option: 'port',
      message: expect.stringContaining(String(port)),
    });
  });

  it('does not listen when it was closed meanwhile', async () => {
    const made = transport({ port: 0 });
    const listening = made.listen(() => undefined);
    await made.close();
    await expect(listening).rejects.toMatchObject({ code: 'STOPPED' });
  });

  it('dials no malformed address', async () => {
    await expect(transport().dial('nowhere', 'control')).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      option: 'address',
    });
  });
});
