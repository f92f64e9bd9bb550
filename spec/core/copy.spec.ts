import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { copyOf, flatCopyOf, isStillCopy } from '../../lib/core/copy.ts';
import { eachItem } from '../../lib/core/items.ts';

const value = fc.anything({
  withBigInt: true,
  withDate: true,
  withMap: true,
  withSet: true,
  withSparseArray: true,
  withTypedArray: true,
  withBoxedValues: true,
});

/** A list of one item inside another, so many times. */
function nested(depth: number): unknown[] {
  let list: unknown[] = [];
  for (let i = 0; i < depth; i++) list = [list];
  return list;
}

describe('a copy', () => {
  it('equals the original, and is not it', () => {
    fc.assert(
      fc.property(value, (original) => {
        const copy = copyOf(original);
        expect(copy).toStrictEqual(original);
        if (typeof original === 'object' && original !== null) expect(copy).not.toBe(original);
      }),
      { numRuns: 500 },
    );
  });

  it('keeps cycles, and two places that hold one object', () => {
    const shared = { x: 1 };
    const original = { a: shared, b: shared, self: undefined as unknown };
    original.self = original;
    const copy = copyOf(original);
    expect(copy.a).toBe(copy.b);
    expect(copy.self).toBe(copy);
    expect(copy.a).not.toBe(shared);
  });

  it('is made of any depth', () => {
    let copy = copyOf(nested(200_000)) as unknown[];
    let depth = 0;
    for (; copy.length > 0; depth++) copy = copy[0] as unknown[];
    expect(depth).toBe(200_000);
  });

  it('has the bytes of a view alone, and shares what is shared', () => {
    const pool = new Uint8Array(1000).fill(7);
    const part = copyOf(pool.subarray(10, 20));
    expect(part.buffer.byteLength).toBe(10);
    pool.fill(0);
    expect(part[0]).toBe(7);
    expect(Buffer.isBuffer(copyOf(Buffer.from('x')))).toBe(true);
    const shared = new Int32Array(new SharedArrayBuffer(8));
    expect(copyOf({ shared }).shared).toBe(shared);
  });

  it('keeps the classes of errors and of instances, and what cannot be copied', () => {
    class Odd extends RangeError {
      readonly detail = [1];
    }
    class Point {
      readonly at = [1, 2];
    }
    const fn = (): void => {};
    const original = { error: new Odd('far'), point: new Point(), fn, weak: new WeakMap() };
    const copy = copyOf(original);
    expect(copy.error).toBeInstanceOf(RangeError);
    expect(copy.error).toMatchObject({ name: 'Odd', message: 'far', detail: [1] });
    expect(copy.point).toBeInstanceOf(Point);
    expect(copy.point.at).not.toBe(original.point.at);
    expect(copy.fn).toBe(fn);
    expect(copy.weak).toBe(original.weak);
  });
});

describe('whether a copy still says what the original says', () => {
  it('does right after it was made', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), (original) => {
        expect(isStillCopy(copyOf(original), original)).toBe(true);
      }),
    );
    const list = [
      new Map([['a', new Float64Array(9)]]),
      new Set([{ x: 1 }]),
      new Date(5),
      new Uint8Array(3).buffer,
    ] as const;
    expect(isStillCopy(copyOf(list), list)).toBe(true);
    expect(isStillCopy(copyOf(nested(100_000)), nested(100_000))).toBe(true);
  });

  it.each<[string, any, (original: any) => void]>([
    ['a field', { a: { b: 1 } }, (original) => (original.a.b = 2)],
    ['a field more', { a: 1 }, (original) => (original.b = 1)],
    ['an item', [1, [2]], (original) => (original[1][0] = 3)],
    ['an item more', [1], (original) => original.push(2)],
    ['a hole', [1, 2, 3], (original) => delete original[1]],
    ['no hole any more', Object.assign([1, , 3]), (original) => (original[1] = undefined)], // eslint-disable-line no-sparse-arrays
    ['a byte', { bytes: new Uint8Array(100_000) }, (original) => (original.bytes[99_999] = 1)],
    ['the byte of a buffer', new ArrayBuffer(8), (original) => (new Uint8Array(original)[7] = 1)],
    ['what a Map holds', new Map([['a', { x: 1 }]]), (original) => (original.get('a').x = 2)],
    ['the members of a Set', new Set([1]), (original) => original.clear()],
    ['a date', { at: new Date(1) }, (original) => original.at.setTime(2)],
    ['which objects are one', { a: { x: 1 }, b: { x: 1 } }, (original) => (original.b = original.a)],
  ])('sees a change of %s', (_, original, change) => {
    const copy = copyOf(original);
    expect(isStillCopy(copy, original)).toBe(true);
    change(original);
    expect(isStillCopy(copy, original)).toBe(false);
  });
});

describe('the items of a list', () => {
  it('are visited in order, holes left out', () => {
    fc.assert(
      fc.property(
        fc.sparseArray(fc.option(fc.integer(), { nil: undefined }), { maxNumElements: 20, maxLength: 5000 }),
        (list) => {
          const visited: [number, unknown][] = [];
          eachItem(list, (item, i) => visited.push([i, item]));
          expect(visited).toEqual(Object.keys(list).map((key) => [Number(key), list[Number(key)]]));
        },
      ),
    );
  });

  it('are visited by their keys in a sparse list, without visiting two hundred million holes', () => {
    const list: unknown[] = [0];
    list[2e8] = 'last';
    let reads = 0;
    const counted = new Proxy(list, {
      has: (target, key) => {
        reads++;
        return key in target;
      },
    });
    const visited: unknown[] = [];
    eachItem(counted, (item) => visited.push(item));
    expect(visited).toEqual([0, 'last']);
    expect(reads).toBeLessThan(2000);
  });
});

describe('a flat copy', () => {
  const object = fc.oneof(
    value.filter((each) => typeof each === 'object' && each !== null),
    fc.array(fc.oneof(fc.string(), fc.double(), fc.constant(undefined))),
    fc.dictionary(fc.string(), fc.oneof(fc.string(), fc.double(), fc.constant(null))),
  );

  it('is what structured clone gives, or there is none', () => {
    fc.assert(
      fc.property(object, (original) => {
        const copy = flatCopyOf(original as object);
        if (copy === undefined) return;
        expect(copy).toStrictEqual(structuredClone(original));
        expect(copy).not.toBe(original);
      }),
    );
  });

  it.each<[string, object]>([
    ['an empty list', []],
    ['texts, numbers and what is nothing', ['a', 1, -0, Number.NaN, 7n, true, null, undefined]],
    ['an empty object', {}],
    ['fields that are primitive', { a: 1, b: 'x', c: null, d: undefined }],
  ])('exists of %s', (_, original) => {
    const copy = flatCopyOf(original);
    expect(copy).toStrictEqual(structuredClone(original));
    expect(copy).not.toBe(original);
  });

  it.each<[string, object]>([
    ['a list with a list in it', [[]]],
    ['an object with an object in it', { a: {} }],
    ['a list with a hole', new Array(2)],
    ['a list with a hole and a further property', Object.assign(new Array(1), { x: 1 })],
    ['a list with a further property', Object.assign([1], { x: 1 })],
    ['a list of a class of its own', Object.setPrototypeOf([], Object.create(Array.prototype) as object) as object],
    [
      'an instance of a class',
      new (class Own {
        field = 1;
      })(),
    ],
    ['an object without a prototype', Object.create(null) as object],
    ['what cannot be sent', { call: () => 1 }],
    ['a list of what cannot be sent', [Symbol('s')]],
    ['an object with the key __proto__', JSON.parse('{"__proto__":1}') as object],
    ['a date', new Date()],
    ['a view', new Uint8Array(1)],
  ])('does not exist of %s', (_, original) => expect(flatCopyOf(original)).toBeUndefined());

  it('leaves out symbols, as structured clone does', () => {
    expect(Object.getOwnPropertySymbols(flatCopyOf({ a: 1, [Symbol('s')]: 2 })!)).toEqual([]);
  });
});
