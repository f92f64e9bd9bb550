import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isHandoffError } from '../../../lib/core/errors.ts';
import { FrameDecoder, goodbyeType, headerBytes, writeHeader } from '../../../lib/hosts/transport/frame.ts';
import { type Receiver, targetHead } from '../../../lib/hosts/transport/transport.ts';
import { type Frame, Frames, pattern } from './support.ts';
import { runs } from '../../support/runs.ts';

const maxFrameBytes = 1024 * 1024;

function encode({ type, body }: Frame): Buffer {
  const bytes = Buffer.alloc(headerBytes + body.byteLength);
  bytes.set(body, writeHeader(bytes, 0, type, body.byteLength));
  return bytes;
}

/** Cuts bytes at some places. Each piece has memory of its own, as those of a socket. */
function cutAt(bytes: Buffer, places: readonly number[]): Buffer[] {
  const cuts = [0, ...places.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return cuts.slice(1).map((end, i) => Buffer.from(bytes.subarray(cuts[i], end)));
}

const bodies = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc.integer({ min: 0, max: 200_000 }).map((length) => pattern(length)),
);
const frames = fc.array(fc.record({ type: fc.integer({ min: 0, max: goodbyeType - 1 }), body: bodies }), {
  maxLength: 8,
});
const places = fc.array(fc.nat(), { maxLength: 40 });
const plain = ({ type, body }: Frame): [number, string] => [type, Buffer.from(body).toString('base64')];

/** Takes some types into memory that it gives. */
class Targets extends Frames {
  #target = new Uint8Array(0);
  target(type: number, _head: Uint8Array, length: number): Uint8Array | undefined {
    return type % 2 === 0 ? (this.#target = new Uint8Array(length)) : undefined;
  }
  filled(type: number, head: Uint8Array): void {
    this.frame(type, Buffer.concat([head, this.#target]));
  }
}

describe('the frame decoder', () => {
  it('finds the same frames wherever the bytes are cut', () => {
    fc.assert(
      fc.property(frames, places, fc.boolean(), (sent, cuts, targets) => {
        const decoder = new FrameDecoder(maxFrameBytes);
        const received = targets ? new Targets() : new Frames();
        for (const piece of cutAt(Buffer.concat(sent.map(encode)), cuts)) decoder.push(piece, received);
        expect(received.all.map(plain)).toEqual(sent.map(plain));
        expect(decoder.partial).toBe(false);
        expect(decoder.held).toBe(0);
      }),
      { numRuns: runs(300) },
    );
  });

  it('finds them a byte at a time', () => {
    const sent = [0, 1, targetHead, targetHead + 1, 300].map((length, type) => ({ type, body: pattern(length) }));
    for (const received of [new Frames(), new Targets()]) {
      const decoder = new FrameDecoder(maxFrameBytes);
      for (const byte of Buffer.concat(sent.map(encode))) decoder.push(Uint8Array.of(byte), received);
      expect(received.all.map(plain)).toEqual(sent.map(plain));
    }
  });

  it('copies nothing that lies within one piece', () => {
    const piece = Buffer.concat([encode({ type: 1, body: pattern(5) }), encode({ type: 2, body: pattern(50_000) })]);
    const received = new Frames();
    new FrameDecoder(maxFrameBytes).push(piece, received);
    expect(received.all.map(({ body }) => [body.buffer === piece.buffer, body.byteLength])).toEqual([
      [true, 5],
      [true, 50_000],
    ]);
  });

  it('throws only PROTOCOL_ERROR for any bytes, and holds no more than has arrived', () => {
    const garbage = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc
        .record({
          length: fc.integer({ min: 0, max: 2 * maxFrameBytes }),
          type: fc.nat(255),
          bytes: fc.uint8Array({ maxLength: 300 }),
        })
        .map(({ length, type, bytes }) => {
          const header = Buffer.alloc(5, type);
          header.writeUInt32BE(length);
          return Buffer.concat([header, bytes]);
        }),
    );
    fc.assert(
      fc.property(fc.array(garbage, { maxLength: 10 }), places, (parts, cuts) => {
        const decoder = new FrameDecoder(maxFrameBytes);
        let arrived = 0;
        for (const piece of cutAt(Buffer.concat(parts), cuts)) {
          arrived += piece.length;
          try {
            decoder.push(piece, new Frames());
          } catch (error) {
            expect(isHandoffError(error, 'PROTOCOL_ERROR')).toBe(true);
            return;
          }
          expect(decoder.held).toBeLessThanOrEqual(2 * arrived + 64 * 1024);
        }
      }),
      { numRuns: runs(2000) },
    );
  });

  it.each([
    ['no type', 0],
    ['too much', maxFrameBytes + 2],
    ['the most there is', 0xffffffff],
  ])('judges a length as soon as it is there: %s', (_name, length) => {
    const header = Buffer.alloc(4);
    header.writeUInt32BE(length);
    const decoder = new FrameDecoder(maxFrameBytes);
    decoder.push(header.subarray(0, 3), new Frames());
    expect(() => decoder.push(header.subarray(3), new Frames())).toThrow(
      expect.objectContaining({ code: 'PROTOCOL_ERROR' }),
    );
  });

  it('allocates memory as bytes arrive, and never more than the frame needs', () => {
    const decoder = new FrameDecoder(16 * maxFrameBytes);
    const frame = encode({ type: 1, body: pattern(16 * maxFrameBytes) });
    const received = new Frames();
    decoder.push(frame.subarray(0, 10), received);
    expect(decoder.held).toBeLessThanOrEqual(64 * 1024);
    for (let at = 10; at < frame.length; at += 60_000) {
      decoder.push(frame.subarray(at, at + 60_000), received);
      expect(decoder.held).toBeLessThanOrEqual(Math.max(2 * (at + 60_000), 64 * 1024));
    }
    expect(received.all[0]!.body.buffer.byteLength).toBe(16 * maxFrameBytes); // no more than that is kept alive
  });

  it('ends with a goodbye, and reads no frame after it', () => {
    const decoder = new FrameDecoder(maxFrameBytes);
    const received = new Frames();
    decoder.push(
      Buffer.concat([
        encode({ type: 1, body: pattern(1) }),
        encode({ type: goodbyeType, body: pattern(0) }),
        encode({ type: 2, body: pattern(1) }),
      ]),
      received,
    );
    expect(received.all.map(({ type }) => type)).toEqual([1]);
    expect(decoder).toMatchObject({ goodbye: true, partial: false });
    expect(() =>
      new FrameDecoder(maxFrameBytes).push(encode({ type: goodbyeType, body: pattern(1) }), received),
    ).toThrow(expect.objectContaining({ code: 'PROTOCOL_ERROR' }));
  });

  it('stops on request, even by the receiver', () => {
    const decoder = new FrameDecoder(maxFrameBytes);
    const seen: number[] = [];
    const receiver: Receiver = {
      frame: (type) => {
        seen.push(type);
        decoder.stop();
      },
    };
    const piece = Buffer.concat([encode({ type: 1, body: pattern(1) }), encode({ type: 2, body: pattern(1) })]);
    decoder.push(piece, receiver);
    decoder.push(piece, receiver);
    expect(seen).toEqual([1]);
    const halves = new FrameDecoder(maxFrameBytes);
    const stopping: Receiver = { frame: () => (seen.push(2), halves.stop()) };
    halves.push(piece.subarray(0, headerBytes), stopping);
    halves.push(piece.subarray(headerBytes), stopping);
    expect(seen).toEqual([1, 2]);
  });

  it('does not accept memory of a size that it did not ask for', () => {
    const receiver: Receiver = { frame: () => undefined, target: () => new Uint8Array(3) };
    for (const split of [20, 200]) {
      const frame = encode({ type: 1, body: pattern(100) });
      expect(() => new FrameDecoder(maxFrameBytes).push(frame.subarray(0, headerBytes + split), receiver)).toThrow(
        RangeError,
      );
    }
  });
});
