/** How long a closed channel waits for its peer to read the rest. */
import { Duplex } from 'node:stream';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { SocketChannel } from '../../../lib/hosts/transport/tcp/socket-channel.ts';

/** Takes what is written at once, and has passed it on when it is told. */
class SlowSocket extends Duplex {
  passed: () => void = () => {};

  override _read(): void {}

  override _writev(_: unknown, done: () => void): void {
    this.passed = done;
  }
}

const peer = { id: 'a', incarnation: 1, address: undefined };
const limits = { maxFrameBytes: 2 ** 20, maxQueuedBytes: 2 ** 30 };

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A channel that was closed with some MiB on the way. */
function closing(mebibytes: number): SlowSocket {
  const socket = new SlowSocket();
  const proven = { kind: 'bulk', peer, maxFrameBytes: 2 ** 20, rest: Buffer.alloc(0) } as const;
  const channel = new SocketChannel(socket, proven, true, limits);
  for (let i = 0; i < mebibytes; i++) channel.send(0, Buffer.alloc(2 ** 20 - 16));
  channel.close();
  return socket;
}

it('a closing channel waits longer for many bytes, which show no progress while they travel', () => {
  const socket = closing(10);
  vi.advanceTimersByTime(8000);
  expect(socket.destroyed).toBe(false);
});

it('a closing channel does not wait forever for a peer that reads nothing', () => {
  const [few, many] = [closing(1), closing(100)];
  vi.advanceTimersByTime(2500);
  expect([few.destroyed, many.destroyed]).toEqual([true, false]);
  vi.advanceTimersByTime(28_000);
  expect(many.destroyed).toBe(true);
});
