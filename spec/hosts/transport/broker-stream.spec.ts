import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { BrokerStream } from '../../../lib/hosts/transport/nats/broker-stream.ts';
import { Packet, packet, packetHead, readHead } from '../../../lib/hosts/transport/nats/packet.ts';
import { pattern } from './support.ts';

const window = 4096;

/** Two ends, and what to do with each message between them. */
function pair(pass: (message: Uint8Array, deliver: () => void) => void = (_, deliver) => deliver()) {
  const published: { readonly by: 'a' | 'b'; readonly message: Uint8Array }[] = [];
  const end = (by: 'a' | 'b', other: () => BrokerStream): BrokerStream =>
    new BrokerStream({
      window,
      maxBodyBytes: 1000,
      publish: (message) => {
        published.push({ by, message });
        const { kind, number } = readHead(message)!;
        pass(message, () => queueMicrotask(() => other().arrive(kind, number, message.subarray(packetHead))));
      },
      closed: () => undefined,
    });
  const a: BrokerStream = end('a', () => b);
  const b: BrokerStream = end('b', () => a);
  a.open(window);
  b.open(window);
  return { a, b, published };
}

const kindOf = (message: Uint8Array): number => readHead(message)!.kind;

function read(stream: BrokerStream, bytes: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let length = 0;
  return new Promise((resolve) =>
    stream.on('data', (piece: Buffer) => {
      pieces.push(piece);
      length += piece.length;
      if (length === bytes) resolve(Buffer.concat(pieces));
    }),
  );
}

describe('a stream through a broker', () => {
  it('carries bytes in order, in messages of limited size', async () => {
    const { a, b, published } = pair();
    const sent = pattern(100_000);
    const received: Buffer[] = [];
    b.on('data', (piece: Buffer) => received.push(piece));
    a.write(sent.subarray(0, 3));
    a.write(sent.subarray(3, 50_000));
    a.end(sent.subarray(50_000));
    await once(b, 'end');
    expect(Buffer.compare(Buffer.concat(received), sent)).toBe(0);
    for (const { message } of published) expect(message.byteLength).toBeLessThanOrEqual(1000 + packetHead);
  });

  it('sends what one turn wrote in one message', async () => {
    const { a, b, published } = pair();
    a.cork();
    for (let i = 0; i < 5; i++) a.write(Buffer.from([i]));
    a.uncork();
    expect([...(await read(b, 5))]).toEqual([0, 1, 2, 3, 4]);
    expect(published.filter(({ message }) => kindOf(message) === Packet.data)).toHaveLength(1);
  });

  it('sends at most a window ahead of a side that does not read, and continues when it reads', async () => {
    const { a, b, published } = pair();
    const size = 4 * (window + b.readableHighWaterMark);
    a.write(pattern(size));
    await new Promise((resolve) => setImmediate(resolve));
    const sent = (): number =>
      published
        .filter(({ by, message }) => by === 'a' && kindOf(message) === Packet.data)
        .reduce((sum, { message }) => sum + message.byteLength - packetHead, 0);
    // The stream itself reads ahead, up to its own mark.
    expect(sent()).toBeLessThanOrEqual(window + b.readableHighWaterMark);
    expect(Buffer.compare(await read(b, size), pattern(size))).toBe(0);
    expect(sent()).toBe(size);
  });

  it.each([Packet.data, Packet.credit])('ends with an error when a message of kind %i is lost', async (lost) => {
    let isLost = false;
    const { a, b } = pair((message, deliver) => {
      if (!isLost && kindOf(message) === lost) isLost = true;
      else deliver();
    });
    const [aFailed, bFailed] = [a, b].map(
      (end) =>
        new Promise<string | undefined>((resolve) =>
          end.on('error', () => undefined).on('close', () => resolve(end.errored?.message)),
        ),
    );
    b.resume();
    a.write(pattern(window));
    a.write(pattern(window));
    await new Promise((resolve) => setImmediate(resolve));
    b.write('x'); // such as a heartbeat
    const messages = await Promise.all([aFailed, bFailed]);
    expect(messages.join()).toContain('was lost');
  });

  it('ends when a message arrives twice', async () => {
    const { a, b } = pair((_, deliver) => {
      deliver();
      deliver();
    });
    a.on('error', () => undefined);
    const failed = once(b, 'error');
    b.resume();
    a.write('x');
    expect(String(await failed)).toContain('was lost');
  });

  it.each<[string, Uint8Array]>([
    ['more data than allowed', packet(Packet.data, 0, new Uint8Array(window + 1))],
    ['a credit beyond what was sent', packet(Packet.credit, 0, Buffer.from('4059000000000000', 'hex'))],
    ['a credit that is no number', packet(Packet.credit, 0, Buffer.alloc(3))],
    ['an answer to no request', packet(Packet.accept, 0)],
    ['an unknown message', packet(99 as 7, 0)],
  ])('ends when the other side sends %s', async (_name, message) => {
    const { a } = pair((_, __) => undefined);
    const failed = once(a, 'error');
    const { kind, number } = readHead(message)!;
    a.arrive(kind, number, message.subarray(packetHead));
    expect(String(await failed)).toContain('the other host sent');
  });

  it('ends when the other side is destroyed, and its writes fail', async () => {
    const { a, b } = pair();
    a.write(pattern(10 * window)); // waits for credit
    const failed = once(a, 'error');
    b.destroy();
    expect(String(await failed)).toContain('reset');
    expect(a.writableLength).toBe(0);
  });

  it('ends for both when one side ends, after all written bytes', async () => {
    const { a, b } = pair();
    a.end(pattern(2 * window));
    const closed = Promise.all([once(a, 'close'), once(b, 'close')]);
    const received = read(b, 2 * window);
    a.resume();
    expect((await received).byteLength).toBe(2 * window);
    await closed;
    expect([a.errored, b.errored]).toEqual([null, null]);
  });
});
