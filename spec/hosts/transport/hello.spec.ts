import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isHandoffError } from '../../../lib/core/errors.ts';
import { isLoopback, parseAddress } from '../../../lib/hosts/transport/tcp/address.ts';
import { decodeCard, encodeCard } from '../../../lib/hosts/transport/tcp/card.ts';
import {
  hello,
  HelloExchange,
  helloBytes,
  proofBytes,
  protocolVersion,
} from '../../../lib/hosts/transport/tcp/hello.ts';
import { Refusal } from '../../../lib/hosts/transport/tcp/refusal.ts';
import type { ChannelKind } from '../../../lib/hosts/transport/transport.ts';
import { pattern } from './support.ts';

const key = Buffer.alloc(32, 7);
const binding = Buffer.alloc(32, 1);
const secretly = { key, binding };

const side = (
  id: string,
  dials: ChannelKind | undefined,
  proof: { key: Buffer; binding: Buffer } | undefined = undefined,
) =>
  new HelloExchange({
    dials,
    proof,
    card: () => ({ identity: { id, incarnation: 4, address: `${id}:7` }, maxFrameBytes: 4096 }),
    peerName: 'the peer',
  });

const failure = (run: () => unknown): unknown => {
  try {
    run();
  } catch (error) {
    return error;
  }
  throw new Error('it did not fail');
};

/** Gives bytes to a side in pieces; gives what it answers. */
function feed(to: HelloExchange, bytes: Buffer, sizes: readonly number[]): Buffer {
  const answers: Buffer[] = [];
  let at = 0;
  for (let i = 0; at < bytes.length; i++) {
    const end = at + (sizes[i] ?? bytes.length);
    answers.push(to.take(Buffer.from(bytes.subarray(at, end))));
    at = end;
  }
  return Buffer.concat(answers);
}

describe('an exchange of hellos', () => {
  it.each([
    ['without proofs', undefined],
    ['with proofs of a secret', secretly],
  ])('comes to the same however its bytes are cut, and keeps what follows: %s', (_name, proof) => {
    const sizes = fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 8 });
    fc.assert(
      fc.property(
        sizes,
        sizes,
        fc.constantFrom<ChannelKind>('control', 'bulk'),
        fc.uint8Array({ maxLength: 50 }),
        (a, b, kind, bytes) => {
          const frames = Buffer.from(bytes);
          const [dialler, listener] = [side('a', kind, proof), side('b', undefined, proof)];
          let [toListener, toDialler] = [dialler.opening, listener.opening];
          while (dialler.proven === undefined || listener.proven === undefined) {
            toDialler = feed(listener, toListener, a);
            if (listener.proven !== undefined && dialler.proven !== undefined) break;
            toListener = feed(dialler, dialler.proven === undefined ? toDialler : Buffer.alloc(0), b);
            if (dialler.proven !== undefined) toListener = Buffer.concat([toListener, frames]);
          }
          expect(dialler.proven).toMatchObject({
            kind,
            maxFrameBytes: 4096,
            peer: { id: 'b', incarnation: 4, address: 'b:7' },
          });
          expect(listener.proven).toMatchObject({ kind, peer: { id: 'a' } });
        },
      ),
    );
  });

  it('keeps the bytes of frames that arrive with the last hello', () => {
    const [dialler, listener] = [side('a', 'bulk'), side('b', undefined)];
    const frames = Buffer.from(pattern(20));
    const answer = listener.take(dialler.opening);
    listener.take(Buffer.concat([dialler.take(Buffer.concat([answer, frames])), frames]));
    expect(dialler.proven!.rest).toEqual(frames);
    expect(listener.proven!.rest).toEqual(frames);
  });

  it('sends a dialler nothing before it speaks, and only a hello before it has proved the secret', () => {
    const listener = side('listener-name', undefined, secretly);
    expect(listener.opening).toHaveLength(0);
    expect(listener.take(side('a', 'control', secretly).opening)).toHaveLength(helloBytes);
    expect(failure(() => listener.take(Buffer.alloc(proofBytes)))).toMatchObject({ code: 'UNAUTHORIZED' });
  });

  it('does not name the dialler to a listener that has not proved the secret', () => {
    const [dialler, listener] = [side('a', 'control', secretly), side('b', undefined, secretly)];
    expect(dialler.take(listener.take(dialler.opening))).toHaveLength(proofBytes);
    expect(failure(() => dialler.take(Buffer.alloc(proofBytes)))).toMatchObject({ code: 'UNAUTHORIZED' });
  });

  it('accepts no proof of another connection, side or secret', () => {
    const [dialler, listener] = [side('a', 'control', secretly), side('b', undefined, secretly)];
    const proof = dialler.take(listener.take(dialler.opening));
    for (const [name, other] of [
      ['connection', { key, binding: Buffer.alloc(32, 2) }],
      ['secret', { key: Buffer.alloc(32, 8), binding }],
    ] as const) {
      const later = side('b', undefined, other);
      later.take(dialler.opening);
      expect(
        failure(() => later.take(proof)),
        name,
      ).toMatchObject({ code: 'UNAUTHORIZED' });
    }
    const mirror = side('a', 'control', secretly);
    const own = mirror.take(side('b', undefined, secretly).take(mirror.opening));
    expect(
      failure(() => mirror.take(own)),
      'its own',
    ).toMatchObject({ code: 'UNAUTHORIZED' });
  });

  it.each([
    ['the listener', secretly, undefined, 'has no secret', 'has a secret, but this host has none'],
    ['the dialler', undefined, secretly, 'has a secret', 'has no secret, but this host has one'],
  ])('says to both sides that only one has a secret: %s', (_name, listening, dialling, here, there) => {
    const [dialler, listener] = [side('a', 'control', dialling), side('b', undefined, listening)];
    expect(failure(() => listener.take(dialler.opening))).toMatchObject({
      code: 'UNAUTHORIZED',
      message: expect.stringContaining(here),
    });
    expect(failure(() => dialler.take(listener.farewell!))).toMatchObject({
      code: 'UNAUTHORIZED',
      message: expect.stringContaining(there),
    });
  });

  it('does not accept its own hello', () => {
    const dialler = side('a', 'control');
    expect(failure(() => dialler.take(dialler.opening))).toMatchObject({ code: 'PROTOCOL_ERROR' });
  });

  it('names both versions to both sides when they differ, whatever else differs', () => {
    const other = Buffer.from('HOFF\0\x63', 'latin1');
    expect(failure(() => side('a', 'control').take(other))).toMatchObject({
      code: 'VERSION_MISMATCH',
      message: expect.stringContaining(`the peer speaks protocol version 99, this host version ${protocolVersion}`),
    });
    const listener = side('b', undefined);
    expect(failure(() => listener.take(other))).toMatchObject({ code: 'VERSION_MISMATCH' });
    expect(listener.farewell!.readUInt16BE(4)).toBe(protocolVersion);
  });

  it.each([
    ['text', 'HTTP/1.1 400 Bad Request\r\n'],
    ['one letter', 'h'],
    ['TLS', '\x15\x03\x03'],
  ])('knows what is not its protocol: %s', (_name, text) => {
    expect(failure(() => side('a', 'control').take(Buffer.from(text, 'latin1')))).toMatchObject({
      code: 'PROTOCOL_ERROR',
      message: expect.stringContaining('Check that a Handoff host listens there'),
    });
  });

  it.each([
    ['two listeners', 0],
    ['no such kind', 3],
    ['a bit that is not used', 33],
  ])('refuses a hello that makes no sense: %s', (_name, value) => {
    const bad = Buffer.from(hello('control', false));
    bad[6] = value;
    expect(failure(() => side('b', undefined).take(bad))).toMatchObject({ code: 'PROTOCOL_ERROR' });
  });

  it('says why the other side refuses it, even for a reason of a later version', () => {
    for (const reason of [...Object.values(Refusal).filter((each) => each !== Refusal.none), 200]) {
      const error = failure(() => side('a', 'control').take(hello(undefined, false, reason)));
      expect(error).toMatchObject({ code: 'UNAUTHORIZED', message: expect.stringContaining('refuses this host') });
    }
  });

  it('limits how much a peer may say of itself', () => {
    const listener = side('b', undefined);
    listener.take(hello('control', false));
    expect(failure(() => listener.take(Buffer.from([0x10, 0x01])))).toMatchObject({
      code: 'PROTOCOL_ERROR',
      message: expect.stringContaining('4097'),
    });
  });

  it('throws only its own errors for anything that an accepted peer sends', () => {
    const cards = fc.oneof(
      fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes)),
      fc.json().map((json) => Buffer.from(json)),
    );
    fc.assert(
      fc.property(cards, fc.option(fc.nat(0xffff)), (json, length) => {
        const listener = side('b', undefined);
        listener.take(hello('control', false));
        const head = Buffer.alloc(2);
        head.writeUInt16BE(length ?? json.length);
        try {
          listener.take(Buffer.concat([head, json]));
        } catch (error) {
          expect(isHandoffError(error, 'PROTOCOL_ERROR')).toBe(true);
        }
        expect(listener.proven).toBeUndefined();
      }),
    );
  });
});

describe('what a host says of itself', () => {
  it('takes over an identity and nothing else', () => {
    const card = decodeCard(
      Buffer.from('{"id":"a","incarnation":1,"address":"h:1","maxFrameBytes":2000,"admin":true,"__proto__":{"x":1}}'),
    );
    expect(card).toStrictEqual({ identity: { id: 'a', incarnation: 1, address: 'h:1' }, maxFrameBytes: 2000 });
    const own = { identity: { id: 'ä', incarnation: 0, address: undefined }, maxFrameBytes: 1024 };
    expect(decodeCard(encodeCard(own).subarray(2))).toStrictEqual(own);
  });

  it.each([
    'null',
    '[]',
    '{}',
    '{"id":"","incarnation":0}',
    '{"id":1,"incarnation":0}',
    '{"id":"a","incarnation":-1}',
    '{"id":"a","incarnation":1.5}',
    '{"id":"a"}',
    '{"id":"a","incarnation":0,"address":"nowhere"}',
    '{"id":"a","incarnation":0,"address":7}',
    '{"id":"a\\nb","incarnation":0}',
    `{"id":"${'a'.repeat(257)}","incarnation":0}`,
    '{',
    '{"id":"a","incarnation":0,"maxFrameBytes":16}',
    '{"id":"a","incarnation":0,"maxFrameBytes":1e400}',
  ])('refuses %s', (json) => {
    expect(decodeCard(Buffer.from(json))).toBeUndefined();
    // Nor with what it lacks besides.
    expect(decodeCard(Buffer.from(json.replace(/^\{(?!.*maxFrameBytes)./, '{"maxFrameBytes":5000,"')))).toBeUndefined();
  });

  it('is checked before it is sent', () => {
    expect(
      failure(() => encodeCard({ identity: { id: '', incarnation: 0, address: undefined }, maxFrameBytes: 1024 })),
    ).toMatchObject({ code: 'INVALID_OPTION', option: 'identity' });
  });
});

describe('an address', () => {
  it.each([
    ['127.0.0.1:80', { host: '127.0.0.1', port: 80 }],
    ['[::1]:8080', { host: '::1', port: 8080 }],
    ['a-b.example:65535', { host: 'a-b.example', port: 65_535 }],
    ['unix:/run/x.sock', { path: '/run/x.sock' }],
    ['unix:/home/jörg/my files/x.sock', { path: '/home/jörg/my files/x.sock' }],
  ])('can be %s', (address, expected) => {
    expect(parseAddress(address)).toEqual(expected);
  });

  it.each([
    '',
    'host',
    'host:',
    ':80',
    'host:0',
    'host:65536',
    '::1:80',
    'a b:1',
    'http://a:1',
    'a:1/x',
    'a:1\n',
    'unix:',
    'unix:x.sock',
    'unix:/a\u2028b',
    'unix:/a\tb',
    'unix:/a,b',
    'unix:/a\0',
    `unix:/${'x'.repeat(103)}`,
  ])('cannot be %j', (address) => {
    expect(parseAddress(address)).toBeUndefined();
  });

  it('that belongs to this machine only is recognised', () => {
    expect(['127.0.0.1', '127.9.9.9', '::1', 'localhost'].map(isLoopback)).toEqual([true, true, true, true]);
    expect(
      ['0.0.0.0', '::', '', '10.0.0.1', 'example.com', '127.0.0.1.example.com', '::ffff:127.0.0.1'].some(isLoopback),
    ).toBe(false);
  });
});
