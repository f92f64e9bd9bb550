import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeCredit,
  decodeOpening,
  decodeRequest,
  encodeCredit,
  encodeOpening,
  encodeRequest,
  Packet,
  packet,
  packetHead,
  readHead,
} from '../../../lib/hosts/transport/nats/packet.ts';
import { resolveNatsOptions } from '../../../lib/hosts/transport/nats/options.ts';
import { serverOf } from '../../../lib/hosts/transport/nats/schema.ts';
import {
  addressOf,
  announced,
  announcementOf,
  isNamespace,
  Subjects,
  tokenOf,
} from '../../../lib/hosts/transport/nats/subjects.ts';

const identity = (): { id: string; incarnation: number } => ({ id: 'a', incarnation: 0 });
const u32 = fc.nat(2 ** 32 - 1);

describe('messages through a broker', () => {
  it('are read as they were written', () => {
    fc.assert(
      fc.property(fc.constantFrom(...Object.values(Packet)), u32, fc.uint8Array(), (kind, number, body) => {
        const bytes = packet(kind, number, body);
        expect(readHead(bytes)).toEqual({ kind, number });
        expect([...bytes.subarray(packetHead)]).toEqual([...body]);
      }),
    );
    fc.assert(
      fc.property(fc.nat(255), fc.boolean(), u32, (version, hasSecret, window) => {
        const opening = { version, hasSecret, window };
        expect(decodeOpening(encodeOpening(opening))).toEqual(opening);
        expect(decodeRequest(encodeRequest(opening))).toEqual(opening);
      }),
    );
    fc.assert(
      fc.property(fc.maxSafeNat(), (bytes) => {
        expect(decodeCredit(encodeCredit(bytes))).toBe(bytes);
      }),
    );
  });

  it('of any bytes are refused or read, and never throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        readHead(bytes);
        decodeOpening(bytes);
        const credit = decodeCredit(bytes);
        expect(credit === undefined || (Number.isSafeInteger(credit) && credit >= 0)).toBe(true);
        if (decodeRequest(bytes) !== undefined) expect(Buffer.from(bytes.subarray(5, 9)).toString()).toBe('HOFN');
      }),
    );
  });
});

describe('subjects', () => {
  const subjects = new Subjects('team.handoff', 'host-1');

  it('stay in the namespace', () => {
    for (const subject of [subjects.who, subjects.up, subjects.door, subjects.streams, subjects.stream('7')])
      expect(subject.startsWith('team.handoff.')).toBe(true);
    expect(subjects.idOf(subjects.stream('7'))).toBe('7');
  });

  it('for answers are connections of hosts only', () => {
    expect(subjects.isStream('team.handoff.to.host-2.a1')).toBe(true);
    for (const other of [
      'team.handoff.to.host-2',
      'team.handoff.to.host-2.*',
      'team.handoff.to.>',
      'team.handoff.up',
      'teamXhandoff.to.host-2.a1',
      '$JS.API.STREAM.DELETE.x',
      'team.handoff.to.host-2.a1.b',
      'x.team.handoff.to.host-2.a1',
      'team.handoff.to.host-2.a1\r\nPUB x 0',
    ])
      expect(subjects.isStream(other)).toBe(false);
  });

  it('have namespaces without wildcards', () => {
    expect(['a', 'a.b', 'A_1.b-2'].every(isNamespace)).toBe(true);
    expect(['', '.', 'a.', '.a', 'a..b', 'a.*', '>', 'a b', 'a\n', 'x'.repeat(101)].some(isNamespace)).toBe(false);
  });

  it('are found again by the address of a host', () => {
    expect(tokenOf(addressOf('host-1'))).toBe('host-1');
    for (const other of ['127.0.0.1:80', 'nats:', 'nats:a.b', 'nats:*', 'nats:a b', 'unix:/x'])
      expect(tokenOf(other)).toBeUndefined();
  });
});

describe('announcements', () => {
  it('name the host and its address', () => {
    expect(announced(announcementOf({ id: 'x1', incarnation: 3, address: 'nats:host-1' }))).toBe('x1 nats:host-1');
  });

  it('that are malformed are ignored', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(announced(text)).toBeUndefined();
      }),
    );
    for (const text of ['handoff 127.0.0.1:80 a', 'handoff nats:x', 'handoff nats:x a b', 'handoff nats:x a\nb'])
      expect(announced(text)).toBeUndefined();
  });
});

describe('options of a NATS transport', () => {
  const resolve = (options: object) => resolveNatsOptions({ servers: '127.0.0.1', identity, ...options });

  it.each([
    ['127.0.0.1', '127.0.0.1:4222', false],
    ['nats://example.org', 'example.org:4222', false],
    ['tls://example.org:5000/', 'example.org:5000', true],
    ['[::1]:4223', '[::1]:4223', false],
  ])('take the server %s', (text, host, isTls) => {
    expect(serverOf(text)).toEqual({ host, isTls });
  });

  it.each(['nats://user:pass@host', 'http://host', 'host:0', 'host:70000', 'a b', '', 'ws://host'])(
    'refuse the server %s',
    (text) => {
      expect(() => resolve({ servers: text })).toThrow(
        expect.objectContaining({ code: 'INVALID_OPTION', message: expect.not.stringContaining('pass@') }),
      );
    },
  );

  it('require a proof when other machines can reach the server', () => {
    const servers = 'nats://10.0.0.1:4222';
    expect(() => resolve({ servers })).toThrow(expect.objectContaining({ code: 'INVALID_OPTION', option: 'secret' }));
    for (const proof of [
      { secret: 'x'.repeat(16) },
      { user: 'a', pass: 'b' },
      { token: 'a' },
      { nkey: 'SUA' },
      { creds: 'x' },
      { tls: { cert: 'c', key: 'k' } },
    ])
      expect(() => resolve({ servers, ...proof })).not.toThrow();
  });

  it.each<[string, object, string]>([
    ['two proofs', { user: 'a', token: 'b' }, 'token'],
    ['a password alone', { pass: 'a' }, 'pass'],
    ['a certificate without its key', { tls: { cert: 'a' } }, 'tls'],
    ['an unknown field of tls', { tls: { caFile: 'a' } }, 'tls'],
    ['a namespace with a wildcard', { namespace: 'a.>' }, 'namespace'],
  ])('refuse %s', (_name, options, option) => {
    let error: unknown;
    try {
      resolve(options);
    } catch (cause) {
      error = cause;
    }
    expect(error).toMatchObject({ code: 'INVALID_OPTION', option });
  });

  it('turn TLS on by the scheme of a server', () => {
    expect(resolve({ servers: ['tls://127.0.0.1'] }).tls).toBe(true);
    expect(resolve({}).tls).toBeUndefined();
  });
});
