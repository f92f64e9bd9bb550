import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isHandoffError } from '../../../lib/core/errors.ts';
import { isLoopback, parseAddress } from '../../../lib/hosts/transport/tcp/address.ts';
import { decodeCard, encodeCard } from '../../../lib/hosts/transport/tcp/card.ts';
import { Handshake, helloBytes, proofBytes, protocolVersion } from '../../../lib/hosts/transport/tcp/handshake.ts';
import type { ChannelKind } from '../../../lib/hosts/transport/transport.ts';
import { pattern } from './support.ts';

const side = (id: string, dials: ChannelKind | undefined, secret = 'sesame') =>
  new Handshake({ dials, secret, identity: () => ({ id, incarnation: 4, address: `${id}:7` }), peerName: 'the peer' });

const hello = (of: Handshake): Buffer => Buffer.from(of.hello);
const failure = (run: () => unknown): unknown => {
  try {
    run();
  } catch (error) {
    return error;
  }
  throw new Error('it did not fail');
};

/** Gives bytes to a side in pieces; gives what it answers. */
function feed(to: Handshake, bytes: Buffer, sizes: readonly number[]): Buffer {
  const answers: Buffer[] = [];
  let at = 0;
  for (let i = 0; at < bytes.length; i++) {
    const end = at + (sizes[i] ?? bytes.length);
    answers.push(to.take(Buffer.from(bytes.subarray(at, end))));
    at = end;
  }
  return Buffer.concat(answers);
}

describe('a handshake', () => {
  it('proves both sides however its bytes are cut, and keeps what follows', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 8 });
    fc.assert(fc.property(sizes, sizes, sizes, fc.constantFrom<ChannelKind>('control', 'bulk'), fc.uint8Array({ maxLength: 50 }), (a, b, c, kind, frames) => {
      const [dialler, listener] = [side('a', kind), side('b', undefined)];
      expect(feed(listener, hello(dialler), a)).toHaveLength(0);
      const proof = feed(dialler, hello(listener), b);
      expect(proof).toHaveLength(proofBytes);
      const card = feed(dialler, Buffer.concat([feed(listener, proof, c), frames]), [proofBytes + 1]);
      expect(dialler.proven).toMatchObject({ kind, peer: { id: 'b', incarnation: 4, address: 'b:7' } });
      feed(listener, Buffer.concat([card, frames]), [card.length + 1]);
      expect(listener.proven).toMatchObject({ kind, peer: { id: 'a' } });
    }));
  });

  it('keeps the bytes of frames that came with its last', () => {
    const [dialler, listener] = [side('a', 'bulk'), side('b', undefined)];
    listener.take(hello(dialler));
    const answer = listener.take(dialler.take(hello(listener)));
    const frames = Buffer.from(pattern(20));
    listener.take(Buffer.concat([dialler.take(Buffer.concat([answer, frames])), frames]));
    expect(dialler.proven!.rest).toEqual(frames);
    expect(listener.proven!.rest).toEqual(frames);
  });

  it('tells an unproven dialler nothing but a hello of fixed length', () => {
    const listener = side('listener-name', undefined);
    expect(listener.hello).toHaveLength(helloBytes);
    expect(listener.take(hello(side('a', 'control')))).toHaveLength(0);
    expect(failure(() => listener.take(Buffer.alloc(proofBytes)))).toMatchObject({ code: 'UNAUTHORIZED' });
  });

  it('does not tell a listener that has not proved itself who dials', () => {
    const [dialler, listener] = [side('a', 'control'), side('b', undefined)];
    dialler.take(hello(listener));
    expect(failure(() => dialler.take(Buffer.alloc(proofBytes)))).toMatchObject({ code: 'UNAUTHORIZED' });
  });

  it('accepts no proof of another handshake, side or secret', () => {
    const [dialler, listener, later] = [side('a', 'control'), side('b', undefined), side('b', undefined)];
    listener.take(hello(dialler));
    const proof = dialler.take(hello(listener));
    const answer = listener.take(proof);
    later.take(hello(dialler));
    expect(failure(() => later.take(proof)), 'replayed').toMatchObject({ code: 'UNAUTHORIZED' });
    const other = side('a', 'control');
    other.take(hello(listener));
    expect(failure(() => other.take(answer)), 'replayed to a dialler').toMatchObject({ code: 'UNAUTHORIZED' });
    const mirror = side('a', 'control');
    const own = mirror.take(hello(side('b', undefined)));
    expect(failure(() => mirror.take(own)), 'its own').toMatchObject({ code: 'UNAUTHORIZED' });
    for (const secret of ['', 'other', 'sesame ']) {
      const [wrong, right] = [side('a', 'control', secret), side('b', undefined)];
      right.take(hello(wrong));
      expect(failure(() => right.take(wrong.take(hello(right)))), secret).toMatchObject({ code: 'UNAUTHORIZED' });
    }
  });

  it('does not accept its own hello', () => {
    const dialler = side('a', 'control');
    expect(failure(() => dialler.take(hello(dialler)))).toMatchObject({ code: 'UNAUTHORIZED', message: expect.stringContaining('sent back') });
    const listener = side('b', undefined);
    const turned = hello(listener);
    turned[6] = 1; // says that it dials
    expect(failure(() => listener.take(turned))).toMatchObject({ code: 'UNAUTHORIZED' });
  });

  it('names both versions when they differ, whatever else is different then', () => {
    const other = Buffer.from('HOFF\0\x63', 'latin1');
    expect(failure(() => side('a', 'control').take(other))).toMatchObject({ code: 'VERSION_MISMATCH', message: `the peer speaks version 99 of the protocol, and this host version ${protocolVersion}` });
  });

  it.each([['text', 'HTTP/1.1 400 Bad Request\r\n'], ['one letter', 'h'], ['TLS', '\x15\x03\x03']])('knows what is not its protocol: %s', (_name, text) => {
    expect(failure(() => side('a', 'control').take(Buffer.from(text, 'latin1')))).toMatchObject({ code: 'PROTOCOL_ERROR' });
  });

  it.each([['two listeners', 6, 0], ['no such kind', 6, 3], ['the byte that is not used', 7, 1]])('refuses a hello that makes no sense: %s', (_name, at, value) => {
    const bad = hello(side('a', 'control'));
    bad[at] = value;
    expect(failure(() => side('b', undefined).take(bad))).toMatchObject({ code: 'PROTOCOL_ERROR' });
  });

  it('waits for no more than a peer may say of itself', () => {
    const [dialler, listener] = [side('a', 'control'), side('b', undefined)];
    listener.take(hello(dialler));
    listener.take(dialler.take(hello(listener)));
    expect(failure(() => listener.take(Buffer.from([0x10, 0x01])))).toMatchObject({ code: 'PROTOCOL_ERROR', message: expect.stringContaining('4097') });
  });

  it('throws nothing but its own errors whatever a peer sends that knows the secret', () => {
    const cards = fc.oneof(fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes)), fc.json().map((json) => Buffer.from(json)));
    fc.assert(fc.property(cards, fc.option(fc.nat(0xffff)), (json, length) => {
      const [dialler, listener] = [side('a', 'control'), side('b', undefined)];
      listener.take(hello(dialler));
      listener.take(dialler.take(hello(listener)));
      const head = Buffer.alloc(2);
      head.writeUInt16BE(length ?? json.length);
      try {
        listener.take(Buffer.concat([head, json]));
      } catch (error) {
        expect(isHandoffError(error, 'PROTOCOL_ERROR')).toBe(true);
      }
      expect(listener.proven).toBeUndefined();
    }));
  });
});

describe('what a host says of itself', () => {
  it('takes over an identity and nothing else', () => {
    const card = decodeCard(Buffer.from('{"id":"a","incarnation":1,"address":"h:1","admin":true,"__proto__":{"x":1}}'));
    expect(card).toStrictEqual({ id: 'a', incarnation: 1, address: 'h:1' });
    expect(decodeCard(encodeCard({ id: 'ä', incarnation: 0, address: undefined }).subarray(2))).toStrictEqual({ id: 'ä', incarnation: 0, address: undefined });
  });

  it.each(['null', '[]', '{}', '{"id":"","incarnation":0}', '{"id":1,"incarnation":0}', '{"id":"a","incarnation":-1}', '{"id":"a","incarnation":1.5}', '{"id":"a"}',
    '{"id":"a","incarnation":0,"address":"nowhere"}', '{"id":"a","incarnation":0,"address":7}', '{"id":"a\\nb","incarnation":0}', `{"id":"${'a'.repeat(257)}","incarnation":0}`, '{'])('refuses %s', (json) => {
    expect(decodeCard(Buffer.from(json))).toBeUndefined();
  });

  it('is checked before it is sent', () => {
    expect(failure(() => encodeCard({ id: '', incarnation: 0, address: undefined }))).toMatchObject({ code: 'INVALID_OPTION', option: 'identity' });
  });
});

describe('an address', () => {
  it.each([['127.0.0.1:80', { host: '127.0.0.1', port: 80 }], ['[::1]:8080', { host: '::1', port: 8080 }], ['a-b.example:65535', { host: 'a-b.example', port: 65_535 }]])('can be %s', (address, expected) => {
    expect(parseAddress(address)).toEqual(expected);
  });

  it.each(['', 'host', 'host:', ':80', 'host:0', 'host:65536', '::1:80', 'a b:1', 'http://a:1', 'a:1/x', 'a:1\n'])('cannot be %j', (address) => {
    expect(parseAddress(address)).toBeUndefined();
  });

  it('is of this machine alone', () => {
    expect(['127.0.0.1', '127.9.9.9', '::1', 'localhost'].map(isLoopback)).toEqual([true, true, true, true]);
    expect(['0.0.0.0', '::', '', '10.0.0.1', 'example.com', '127.0.0.1.example.com', '::ffff:127.0.0.1'].some(isLoopback)).toBe(false);
  });
});
