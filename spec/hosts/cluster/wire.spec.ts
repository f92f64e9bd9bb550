/** Messages between hosts, of which the data cannot be written or read. */
import { generateKeyPairSync } from 'node:crypto';
import { serialize } from 'node:v8';
import { describe, expect, it } from 'vitest';
import { fromErrorWire } from '../../../lib/core/error-wire.ts';
import {
  checkSendable,
  decodeMessage,
  encodeMessage,
  Message,
  toTravellingError,
  Unreadable,
} from '../../../lib/hosts/cluster/wire.ts';
import { thrownBy } from '../../support/handoff.ts';

const unreadable = Buffer.from([0xff, 0x0f, 0x6f, 0x99]);
const batch: unknown[] = ['a', 0, 7, 1, 0, 'run', 'dag', 1, new Int32Array(2), unreadable, undefined, 0];
const cases: [string, number, unknown[], number][] = [
  ['a batch', Message.batch, batch, 9],
  ['a report', Message.ended, [7, 0, 1, [], [], null, unreadable], 6],
  ['a question', Message.request, [3, 'getValue', unreadable], 2],
  ['an answer', Message.response, [3, true, unreadable], 2],
  ['a log', Message.log, ['a', 'run', 'dag', 'f', 1, unreadable], 5],
];

describe('a message', () => {
  it.each(cases)('with data that cannot be read, as %s, still says what it belongs to', (_, type, parts, at) => {
    const read = decodeMessage(type, serialize(parts));
    expect(read[at]).toBeInstanceOf(Unreadable);
    expect((read[at] as Unreadable).error.code).toBe('NOT_SERIALIZABLE');
    expect(read.toSpliced(at, 1)).toEqual(parts.toSpliced(at, 1));
  });

  it.each(cases)('arrives as it was sent, as %s', (_, type, parts, at) => {
    const sent = parts.with(at, [1, { two: new Map([[3, 'four']]) }]);
    expect(decodeMessage(type, encodeMessage(type, sent))).toEqual(sent);
  });

  it('is refused when the frame around the data is malformed', () => {
    expect(thrownBy(() => decodeMessage(Message.batch, serialize(batch.with(1, 'zero')))).code).toBe('PROTOCOL_ERROR');
    expect(thrownBy(() => decodeMessage(Message.batch, serialize(batch.with(9, 'no bytes')))).code).toBe(
      'PROTOCOL_ERROR',
    );
    expect(thrownBy(() => decodeMessage(Message.batch, unreadable)).code).toBe('PROTOCOL_ERROR');
  });
});

describe('a message that the other host refuses', () => {
  const refuses = (type: number, parts: unknown[]): boolean =>
    thrownBy(() => decodeMessage(type, encodeMessage(type, parts)))?.code === 'PROTOCOL_ERROR';

  it.each<[string, number, unknown[]]>([
    ['a batch with a long name', Message.batch, batch.with(9, []).with(5, 'r'.repeat(20_000))],
    ['a batch with a claim of too much', Message.batch, batch.with(9, []).with(10, { cpu: Infinity })],
    ['a report with a duration that is none', Message.ended, [7, 0, 1, [], [NaN], null, []]],
    ['a log of a function with a long id', Message.log, ['a', 'run', 'dag', 'f'.repeat(20_000), 1, []]],
  ])('is not sent, and fails only what it is about: %s', (_, type, parts) => {
    expect(refuses(type, parts)).toBe(true);
    expect(thrownBy(() => checkSendable(type, parts))).toMatchObject({
      code: 'NOT_SERIALIZABLE',
      message: expect.stringContaining('The other host would refuse'),
    });
  });

  it.each(cases)('does not hold up one that it accepts, as %s', (_, type, parts, at) => {
    expect(() => checkSendable(type, parts.with(at, []))).not.toThrow();
  });
});

describe('an error', () => {
  it('that holds values which only threads can receive travels as text', () => {
    const { privateKey: key } = generateKeyPairSync('ed25519');
    const wire = toTravellingError(Object.assign(new RangeError('no such key'), { key }));
    expect(() => serialize(wire)).not.toThrow();
    expect(fromErrorWire(wire)).toMatchObject({ name: 'RangeError', message: 'no such key' });
  });
});
