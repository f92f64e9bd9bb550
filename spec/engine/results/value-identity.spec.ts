import { deserialize, serialize } from 'node:v8';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromBytes, plainToBytes, toBytes } from '../../../lib/engine/results/stored-values.ts';
import { identifyPayload, identityOf } from '../../../lib/engine/results/value-identity.ts';
import { decode, encode } from '../../../lib/workers/store/encode.ts';
import { Payload } from '../../../lib/workers/store/payload.ts';

const values = fc.anything({ withBigInt: true, withDate: true, withMap: true, withSet: true, withTypedArray: true });

describe('the identity of a value', () => {
  it('equals that of its copies, wherever they were made', () => {
    fc.assert(
      fc.property(values, (value) => {
        const copy = deserialize(serialize(value)) as unknown;
        expect(identityOf(structuredClone(copy))).toBe(identityOf(copy));
        expect(identityOf(fromBytes(plainToBytes(copy)))).toBe(identityOf(copy));
      }),
    );
  });

  it('differs for different values', () => {
    const different = [
      0, -0, 1, '1', 1n, true, false, null, undefined, NaN, Infinity, '', ' ', 'a', 'ab', 'é', '\ud800', '\ud801',
      [], [[]], [1], [1, 2], [12], ['1', '2'], ['12'], [undefined], [null], {}, { a: 1 }, { a: 1, b: 2 }, { b: 2, a: 1 },
      { a: undefined }, { a: { b: 1 } }, new Date(0), new Date(1), new Map(), new Map([[1, 2]]), new Set(), new Set([1, 2]),
      new Uint8Array(2), new Uint8Array(3), new Int8Array(2), new Uint8Array([1, 0]), new Float64Array(1), new DataView(new ArrayBuffer(2)),
      'x'.repeat(100), 'x'.repeat(101), [..."x".repeat(100)], new Uint8Array(10_000), new Uint8Array(10_001), Array.from({ length: 3 }),
    ]; // prettier-ignore
    const seen = new Map<string, unknown>();
    for (const value of different) {
      const identity = identityOf(value);
      expect(seen.has(identity), `${String(value)} and ${String(seen.get(identity))}`).toBe(false);
      seen.set(identity, value);
    }
  });

  it('does not depend on how a number was computed', () => {
    const point = { x: 1.5 };
    point.x -= 0.5; // V8 keeps it as a double
    expect(identityOf({ x: 1 })).toBe(identityOf(point));
    expect(identityOf([1, 2.5].slice(0, 1))).toBe(identityOf([1]));
  });

  it('exists for values that contain themselves, and for very deep ones', () => {
    const self: unknown[] = [];
    self.push(self);
    let deep: unknown = 1;
    for (let k = 0; k < 1000; k++) deep = [deep];
    expect(identityOf(self)).toMatch(/^#/);
    expect(identityOf(deep)).not.toBe(identityOf([deep]));
  });

  it('does not exist for values that cannot be written', () => {
    expect(() => identityOf({ f: () => 1 })).toThrow();
  });
});

describe('the bytes of a payload', () => {
  const large = 100_000;
  it.each([
    ['a typed array', new Float64Array(large).fill(2.5)],
    ['a view of a part', new Uint8Array(3 * large).subarray(large, 2 * large).fill(7)],
    ['an ArrayBuffer', new Uint8Array(large).fill(3).buffer],
    ['a Buffer', Buffer.alloc(10, 'x')],
    ['a list', Array.from({ length: large }, (_, k) => ({ k }))],
    ['a list of views', [new Float64Array(large), 'x'.repeat(large)]],
    ['an error', new RangeError('no', { cause: 1 })],
  ])('of %s give it back, and always have the same hash', async (_, value) => {
    const payload = new Payload(encode(value)!);
    const bytes = toBytes(payload)!;
    const back = fromBytes(bytes) as Payload;
    const again = decode(back.data);
    expect(again).toEqual(value);
    expect(Object.getPrototypeOf(again)).toBe(Object.getPrototypeOf(value));
    const [own, other] = [await identifyPayload(payload), await identifyPayload(back)];
    expect(other!.identity).toBe(own!.identity);
    expect(own!.identity).not.toBe((await identifyPayload(new Payload(encode(new Uint8Array(large))!)))!.identity);
  });

  it('that stay in shared memory cannot be stored', async () => {
    const payload = new Payload(encode({ shared: new SharedArrayBuffer(8), text: 'x'.repeat(large) })!);
    expect(toBytes(payload)).toBeUndefined();
    expect(await identifyPayload(payload)).toBeUndefined();
  });
});
