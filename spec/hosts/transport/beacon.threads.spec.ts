import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import { Beacon, type Pulse } from '../../../lib/hosts/transport/beacon/beacon.ts';

const beacons: Beacon[] = [];
afterEach(() => Promise.all(beacons.splice(0).map((beacon) => beacon.stop())));

async function start(): Promise<Beacon> {
  const beacon = await Beacon.start('127.0.0.1', 20);
  beacons.push(beacon);
  return beacon;
}

/** Two hosts, of which only one knows where the other is. */
async function meet(a?: Beacon, b?: Beacon): Promise<[Pulse, Pulse]> {
  // What a hears of b, and b of a.
  const [ofB, ofA] = [(a ?? (await start())).pulse()!, (b ?? (await start())).pulse()!];
  ofB.send(ofA.card, '127.0.0.1');
  ofA.send(ofB.card, undefined);
  return [ofB, ofA];
}

async function beats(pulse: Pulse): Promise<void> {
  while (!pulse.takeHeartbeat()) await new Promise((resolve) => setTimeout(resolve, 5));
}

function block(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

describe('a beacon', () => {
  it('gives signs of life, and hears those of the other, while the main thread is blocked', async () => {
    const [one, two] = await meet();
    await Promise.all([beats(one), beats(two)]);
    for (let k = 0; k < 3; k++) {
      block(500); // nothing but the threads of the beacons runs
      expect([one.takeHeartbeat(), two.takeHeartbeat()]).toEqual([true, true]);
    }
  });

  it('accepts no heartbeat without the key', async () => {
    const beacon = await start();
    const pulse = beacon.pulse()!;
    const { port, id } = pulse.card;
    const [other, socket] = [beacon.pulse()!, createSocket('udp4')];
    for (const datagram of [
      Buffer.concat([id, Buffer.alloc(24, 255)]),
      Buffer.from(id),
      Buffer.alloc(0),
      Buffer.alloc(2000),
    ])
      await new Promise((resolve) => socket.send(datagram, port, '127.0.0.1', resolve));
    // The thread takes datagrams in order: when one that is good has come, all have.
    const second = (await start()).pulse()!;
    second.send(other.card, '127.0.0.1');
    other.send(second.card, undefined);
    await beats(other);
    expect(pulse.takeHeartbeat()).toBe(false);
    socket.close();
    await once(socket, 'close');
  });

  it('sends nothing to a peer that was removed', async () => {
    const [a, b] = [await start(), await start()];
    const [one, two] = await meet(a, b);
    const [, clock] = await meet(a, b);
    await beats(two);
    one.end();
    for (let k = 0; k < 3; k++) await beats(clock); // those that were on their way have come
    two.takeHeartbeat();
    for (let k = 0; k < 3; k++) await beats(clock);
    expect(two.takeHeartbeat()).toBe(false);
  });
});
