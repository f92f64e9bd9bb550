import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decode, encode } from '../../../lib/workers/store/encode.ts';
import { Payload, minSharedBytes } from '../../../lib/workers/store/payload.ts';
import { thrownBy } from '../../support/handoff.ts';
import { instanceMemory } from '../../support/instance-memory.ts';

/** As a value gets from one thread to another. */
function travel(value: unknown): unknown {
  const data = encode(value);
  return data === undefined ? structuredClone(value) : decode(structuredClone(data));
}

describe('encode', () => {
  it('keeps holes and further properties of a list with an Error in it', () => {
    const list = Object.assign([1, , new RangeError('x')], { note: 'kept' }); // eslint-disable-line no-sparse-arrays
    const back = travel(list) as typeof list;
    expect(1 in back).toBe(false);
    expect(back).toHaveLength(3);
    expect(back.note).toBe('kept');
    expect(back[2]).toBeInstanceOf(RangeError);
  });

  it.each([
    [1],
    ['short'],
    [true],
    [undefined],
    [null],
    [10n],
    [{ a: [1, 2] }],
    [new Map([[1, 2]])],
    [new Float64Array(3)],
    [new ArrayBuffer(8)],
  ])('leaves %s to structured clone', (value) => {
    expect(encode(value)).toBeUndefined();
  });

  it('puts views from a certain size on into shared memory', () => {
    const data = encode(new Uint8Array(minSharedBytes).fill(1))!;
    expect(data).toMatchObject({ kind: 'view', view: 'Uint8Array', length: minSharedBytes });
    expect(new Payload(data).byteLength).toBe(minSharedBytes);
    expect(encode(new Uint8Array(minSharedBytes - 1))).toBeUndefined();
  });

  it('does not copy what is in shared memory already', () => {
    const view = new Float64Array(new SharedArrayBuffer(minSharedBytes * 2), 8, minSharedBytes / 8);
    const back = decode(encode(view)!) as Float64Array;
    expect(back.buffer).toBe(view.buffer);
    expect(back.byteOffset).toBe(8);
    expect(back.length).toBe(view.length);
  });

  it('shares large views inside objects, and copies the small', () => {
    const data = encode({ big: new Uint8Array(minSharedBytes), small: new Uint8Array(10) })!;
    const back = decode(data) as { big: Uint8Array; small: Uint8Array };
    expect(back.big.buffer).toBeInstanceOf(SharedArrayBuffer);
    expect(back.small.buffer).not.toBeInstanceOf(SharedArrayBuffer);
    expect((decode(data) as typeof back).big.buffer).toBe(back.big.buffer);
  });

  it.each([{ shared: false }, { shared: true }])(
    'copies a result out of the memory of a WebAssembly instance, and no more of that (%o)',
    ({ shared }) => {
      const memory = instanceMemory(shared);
      for (const length of [4, 2000, minSharedBytes]) {
        const view = new Uint8Array(memory, 8, length).fill(1);
        const data = encode({ shape: [length], view });
        const back = [travel(view), (decode(structuredClone(data!)) as { view: Uint8Array }).view] as Uint8Array[];
        view.fill(2);
        expect(back.map((each) => each.length)).toEqual([length, length]);
        for (const each of back) expect(each.every((byte) => byte === 1)).toBe(true);
        expect(new Payload(data!).byteLength).toBeLessThan(length + 200);
      }
    },
  );

  it('lets a whole memory that was shared on purpose be shared', () => {
    const buffer = instanceMemory(true);
    const back = travel({ buffer, text: 'x'.repeat(minSharedBytes) }) as { buffer: SharedArrayBuffer };
    new Uint8Array(buffer)[3] = 7;
    expect(new Uint8Array(back.buffer)[3]).toBe(7);
  });

  it('keeps SharedArrayBuffers shared, wherever they are', () => {
    const buffer = new SharedArrayBuffer(8);
    const back = travel({ buffer, view: new Int32Array(buffer), text: 'x'.repeat(minSharedBytes) }) as {
      buffer: SharedArrayBuffer;
      view: Int32Array;
    };
    expect(back.view.buffer).toBe(back.buffer);
    back.view[1] = 7;
    expect(new Int32Array(buffer)[1]).toBe(7);
  });

  it('keeps errors whole, inside and in cycles', () => {
    class Special extends RangeError {
      extra = { deep: [1] };
    }
    const error = new Special('bad', { cause: new Error('why') });
    const holder: Record<string, unknown> = {
      list: [error, error],
      map: new Map([['e', error]]),
      set: new Set([error]),
    };
    holder['self'] = holder;
    const back = travel(holder) as { list: Special[]; map: Map<string, Special>; set: Set<Special>; self: unknown };
    expect(back.self).toBe(back);
    expect(back.list[0]).toBe(back.list[1]);
    expect(back.map.get('e')).toBe(back.list[0]);
    expect([...back.set][0]).toBe(back.list[0]);
    expect(back.list[0]).toBeInstanceOf(RangeError);
    expect(back.list[0]).toMatchObject({
      name: 'Special',
      message: 'bad',
      extra: { deep: [1] },
      cause: { message: 'why' },
    });
    expect(travel(new AggregateError([error, 1], 'all'))).toMatchObject({
      message: 'all',
      errors: [{ name: 'Special' }, 1],
    });
  });

  it('keeps Buffers Buffers', () => {
    expect(travel(Buffer.from('hi'))).toEqual(Buffer.from('hi'));
    expect(travel({ list: [Buffer.from('hi')] })).toEqual({ list: [Buffer.from('hi')] });
    expect(Buffer.isBuffer(travel(Buffer.alloc(minSharedBytes)))).toBe(true);
  });

  it('says which part of a value cannot leave', () => {
    const big = 'x'.repeat(minSharedBytes);
    expect(thrownBy(() => encode(() => 1))).toMatchObject({ code: 'NOT_SERIALIZABLE', path: 'result' });
    expect(thrownBy(() => encode({ big, a: [{ f() {} }] }))).toMatchObject({
      code: 'NOT_SERIALIZABLE',
      path: 'result.a[0].f',
    });
  });

  it('gives back any structure as it was', () => {
    const anything = fc.anything({
      withBigInt: true,
      withDate: true,
      withMap: true,
      withSet: true,
      withTypedArray: true,
      withSparseArray: true,
      withNullPrototype: false,
      withBoxedValues: false,
    });
    fc.assert(
      fc.property(anything, fc.boolean(), (value, large) => {
        const whole = large ? { value, filler: 'x'.repeat(minSharedBytes), error: new Error('e') } : { value };
        const back = travel(whole) as typeof whole;
        expect(back.value).toEqual(structuredClone(whole.value));
      }),
      { numRuns: 300 },
    );
  });
});
