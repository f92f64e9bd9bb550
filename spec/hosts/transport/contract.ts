/** What holds for every transport. */
import { afterEach, describe, expect, it } from 'vitest';
import { targetHead, type Channel, type ChannelKind, type Transport } from '../../../lib/hosts/transport/transport.ts';
import { echo, framesOf, pattern, ping } from './support.ts';

const mebibyte = 1024 * 1024;
const maxFrameBytes = 16 * mebibyte;

interface HostOptions {
  readonly id: string;
  readonly incarnation: number;
}

/** @param host makes a transport that listens, and takes frames of up to 16 MiB */
export function transportContract(name: string, host: (options: HostOptions) => Transport): void {
  describe(name, () => {
    const transports: Transport[] = [];
    afterEach(async () => {
      await Promise.all(transports.splice(0).map((transport) => transport.close()));
    });

    const start = async (id: string, incarnation = 0) => {
      const transport = host({ id, incarnation });
      transports.push(transport);
      const accepted: Channel[] = [];
      const waiting: ((channel: Channel) => void)[] = [];
      const address = await transport.listen((channel) => {
        const next = waiting.shift();
        if (next === undefined) accepted.push(channel);
        else next(channel);
      });
      const next = (): Channel | Promise<Channel> =>
        accepted.shift() ?? new Promise((resolve) => waiting.push(resolve));
      return { transport, address: address!, next };
    };

    /** Two hosts with a channel from the first to the second. */
    const connected = async (kind: ChannelKind = 'control') => {
      const a = await start('a', 3);
      const b = await start('b', 5);
      const near = await a.transport.dial(b.address, kind);
      return { a, b, near, far: await b.next() };
    };

    it('tells each side who the other is', async () => {
      const { a, b, near, far } = await connected('bulk');
      expect(near).toMatchObject({
        kind: 'bulk',
        dialled: true,
        peer: { id: 'b', incarnation: 5, address: b.address },
      });
      expect(far).toMatchObject({
        kind: 'bulk',
        dialled: false,
        peer: { id: 'a', incarnation: 3, address: a.address },
      });
    });

    it.each([0, 1, 2, targetHead, targetHead + 1, 4096, 65_536, 65_537, mebibyte, 8 * mebibyte])(
      'carries a body of %i bytes',
      async (length) => {
        const { near, far } = await connected();
        const frames = framesOf(far);
        const body = pattern(length, 7);
        near.send(9, body);
        near.send(10);
        const [first, second] = await frames.first(2);
        expect(first!.type).toBe(9);
        expect(Buffer.compare(first!.body, body)).toBe(0);
        expect(second).toMatchObject({ type: 10, body: { byteLength: 0 } });
      },
    );

    it('joins the parts of a body, in shared memory or not', async () => {
      const { near, far } = await connected();
      const frames = framesOf(far);
      const shared = new Uint8Array(new SharedArrayBuffer(300_000));
      shared.set(pattern(300_000));
      const small = new Uint8Array(new SharedArrayBuffer(10), 2, 5).fill(4);
      near.send(1, Buffer.from('head'), small, shared.subarray(1000), new Uint8Array(0), Buffer.from('tail'));
      const [frame] = await frames.first(1);
      expect(
        Buffer.compare(
          frame!.body,
          Buffer.concat([Buffer.from('head'), small, shared.subarray(1000), Buffer.from('tail')]),
        ),
      ).toBe(0);
    });

    it('keeps the order of many frames in a turn, in both directions at once', async () => {
      const { near, far } = await connected();
      const [there, back] = [framesOf(far), framesOf(near)];
      const count = 20_000;
      for (let i = 0; i < count; i++) {
        const body = Buffer.alloc(4 + (i % 97));
        body.writeUInt32LE(i);
        near.send(i % 255, body);
        far.send(i % 255, body);
      }
      for (const frames of [there, back]) {
        const all = await frames.first(count);
        expect(
          all.findIndex(
            ({ type, body }, i) =>
              type !== i % 255 || body.byteLength !== 4 + (i % 97) || Buffer.from(body).readUInt32LE() !== i,
          ),
        ).toBe(-1);
      }
    });

    it('keeps what arrives before there is a receiver', async () => {
      const { near, far } = await connected();
      const large = pattern(3 * mebibyte);
      near.send(1, Buffer.from('early'));
      near.send(2, large);
      echo(near);
      far.send(3); // its answer comes after the others
      await new Promise((resolve) => setImmediate(resolve));
      const frames = framesOf(far);
      expect(frames.all).toEqual([]); // not before `receive` has returned
      const all = await frames.first(3);
      expect(all.map(({ type }) => type)).toEqual([1, 2, 3]);
      expect(Buffer.from(all[0]!.body).toString()).toBe('early');
      expect(Buffer.compare(all[1]!.body, large)).toBe(0);
    });

    it('has one receiver per channel', async () => {
      const { near } = await connected();
      framesOf(near);
      expect(() => framesOf(near)).toThrow('one receiver');
    });

    it.each(['at once', 'late'])(
      'puts large bodies where the receiver says: a receiver that comes %s',
      async (when) => {
        const { near, far } = await connected('bulk');
        const sizes = [targetHead + 1, 5000, 100_000, 3 * mebibyte, 17];
        const received: { type: number; head: string; body: Uint8Array }[] = [];
        const memory = new Map<number, Uint8Array>();
        const done = Promise.withResolvers<void>();
        const receive = (): void =>
          far.receive({
            frame: (type, body) => {
              received.push({ type, head: '', body });
              if (type === 254) done.resolve();
            },
            target: (type, _head, length) => {
              if (type === 3) return undefined; // this one whole, please
              const target = new Uint8Array(new SharedArrayBuffer(length));
              memory.set(type, target);
              return target;
            },
            filled: (type, head) =>
              void received.push({ type, head: Buffer.from(head).toString(), body: memory.get(type)! }),
          });
        if (when === 'at once') receive();
        const head = Buffer.from('0123456789abcdef');
        for (const [i, size] of sizes.entries()) near.send(i, head, pattern(size - targetHead, i));
        near.send(254, head); // as long as the head: nobody is asked
        await new Promise((resolve) => setImmediate(resolve));
        if (when === 'late') receive();
        await done.promise;
        expect(received.map(({ type }) => type)).toEqual([0, 1, 2, 3, 4, 254]);
        for (const [i, size] of sizes.entries()) {
          const { body, head: seen } = received[i]!;
          const expected = pattern(size - targetHead, i);
          expect(seen).toBe(i === 3 ? '' : '0123456789abcdef');
          expect(Buffer.compare(i === 3 ? body.subarray(targetHead) : body, expected)).toBe(0);
        }
      },
    );

    it('bounds what is queued when the sender waits', async () => {
      const { near, far } = await connected('bulk');
      const chunk = 512 * 1024;
      const count = 128;
      let bytes = 0;
      const done = Promise.withResolvers<void>();
      const target = new Uint8Array(chunk - targetHead);
      far.receive({
        frame: () => done.reject(new Error('not asked')),
        target: () => target,
        filled: () => void ((bytes += chunk) === chunk * count && done.resolve()),
      });
      const body = pattern(chunk);
      let most = 0;
      for (let i = 0; i < count; i++) {
        await near.drained();
        near.send(1, body);
        most = Math.max(most, near.queued);
      }
      await done.promise;
      expect(most).toBeLessThan(4 * mebibyte);
      await near.drained();
    });

    it('says when what is queued has left', async () => {
      const { near, far } = await connected('bulk');
      await near.drained();
      for (let i = 0; i < 4; i++) near.send(1, pattern(4 * mebibyte));
      expect(near.queued).toBeGreaterThan(4 * mebibyte);
      framesOf(far);
      await near.drained();
      expect(near.queued).toBeLessThanOrEqual(mebibyte);
    });

    it('refuses to send what is too long or of no type, and goes on', async () => {
      const { near, far } = await connected();
      const frames = framesOf(far);
      expect(() => near.send(1, new Uint8Array(maxFrameBytes), new Uint8Array(1))).toThrow(
        expect.objectContaining({ code: 'PROTOCOL_ERROR' }),
      );
      expect(() => near.send(255)).toThrow(RangeError);
      expect(() => near.send(-1)).toThrow(RangeError);
      near.send(1, new Uint8Array(maxFrameBytes));
      const [frame] = await frames.first(1);
      expect(frame!.body.byteLength).toBe(maxFrameBytes);
    });

    it('closes after what was sent has left', async () => {
      const { near, far } = await connected();
      const frames = framesOf(far);
      for (let i = 0; i < 10; i++) near.send(i, pattern(mebibyte));
      near.close();
      near.close();
      near.send(11);
      expect(await far.closed).toBeUndefined();
      expect(await near.closed).toBeUndefined();
      expect(frames.all.map(({ type }) => type)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
      expect(near.queued).toBe(0);
      await Promise.all([near.drained(), far.drained()]);
      far.send(1);
      far.close(new Error('too late'));
      expect(await far.closed).toBeUndefined();
    });

    it('closes at once when there is an error, and the peer sees that it is none of its own doing', async () => {
      const { near, far } = await connected();
      framesOf(far);
      const error = new Error('enough');
      near.send(1, pattern(8 * mebibyte));
      const drained = near.drained();
      near.close(error);
      await drained;
      expect(await near.closed).toBe(error);
      expect(near.queued).toBe(0);
      expect(await far.closed).toMatchObject({ code: 'NODE_DOWN' });
    });

    it('closes both ends when both are closed at once', async () => {
      const { near, far } = await connected();
      near.send(1);
      far.send(1);
      near.close();
      far.close();
      expect(await Promise.all([near.closed, far.closed])).toEqual([undefined, undefined]);
    });

    it.each(['at once', 'late'])('closes when its receiver throws: a receiver that comes %s', async (when) => {
      const { near, far } = await connected();
      const error = new Error('cannot read this');
      const seen: number[] = [];
      const receive = (): void =>
        far.receive({
          frame: (type) => {
            seen.push(type);
            throw error;
          },
        });
      framesOf(near);
      if (when === 'at once') receive();
      near.send(1);
      near.send(2);
      await new Promise((resolve) => setImmediate(resolve));
      if (when === 'late') receive();
      expect(await far.closed).toBe(error);
      expect(await near.closed).toMatchObject({ code: 'NODE_DOWN' });
      expect(seen).toEqual([1]);
    });

    it('delivers nothing after its receiver has closed it', async () => {
      const { near, far } = await connected();
      const seen: number[] = [];
      far.receive({
        frame: (type) => {
          seen.push(type);
          far.close();
        },
      });
      near.send(1);
      near.send(2);
      expect(await near.closed).toBeUndefined();
      expect(await far.closed).toBeUndefined();
      expect(seen).toEqual([1]);
    });

    it('has channels that do not touch each other', async () => {
      const { a, b, near, far } = await connected();
      const other = await a.transport.dial(b.address, 'bulk');
      const otherFar = await b.next();
      echo(otherFar);
      framesOf(far);
      near.close(new Error('only this one'));
      await far.closed;
      await ping(other, framesOf(other));
    });

    it('reports when no host answers', async () => {
      const { a, b } = await connected();
      await b.transport.close();
      await expect(a.transport.dial(b.address, 'control')).rejects.toMatchObject({
        code: 'NODE_DOWN',
        message: expect.stringContaining(b.address),
      });
    });

    it('drops a channel that it had not accepted yet when it is closed', async () => {
      const { a, b } = await connected();
      const near = await a.transport.dial(b.address, 'control');
      await b.transport.close();
      await near.closed;
    });

    it('closes every channel when it is closed, and is of no use then', async () => {
      const { a, b, near, far } = await connected();
      const second = await b.transport.dial(a.address, 'bulk');
      await a.next();
      await Promise.all([a.transport.close(), a.transport.close()]);
      expect(await Promise.all([near.closed, far.closed, second.closed])).toEqual([undefined, undefined, undefined]);
      await expect(a.transport.dial(b.address, 'control')).rejects.toMatchObject({ code: 'STOPPED' });
      await expect(a.transport.listen(() => undefined)).rejects.toMatchObject({ code: 'STOPPED' });
      await expect(b.transport.dial(a.address, 'control')).rejects.toMatchObject({ code: 'NODE_DOWN' });
    });
  });
}
