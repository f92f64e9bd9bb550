import { describe, expect, it } from 'vitest';
import { Report } from '../../../../lib/workers/node/worker/report.ts';
import { decode } from '../../../../lib/workers/store/encode.ts';
import type { PayloadData } from '../../../../lib/workers/store/payload.ts';

/** What a report of one large result posts, and what it transfers. */
function reported(value: unknown, isRead: boolean) {
  const posts: { readonly message: unknown[]; readonly transfer: readonly ArrayBuffer[] }[] = [];
  const report = new Report(1, { spans: false, held: undefined }, (message, transfer = []) =>
    posts.push({ message: structuredClone(message, { transfer }), transfer }),
  );
  report.succeed(value, true, isRead);
  report.flush();
  const [{ message, transfer }] = posts as [(typeof posts)[0]];
  return { data: (message[6] as PayloadData[])[0]! as PayloadData & { readonly kind: 'encoded' }, transfer };
}

const large = Array.from({ length: 10_000 }, (_, i) => ({ id: i, name: `the name of ${i}` }));

describe('Report', () => {
  it('transfers the bytes of a large result that no function takes, and so does not copy them', () => {
    const { data, transfer } = reported(large, false);
    expect(data.bytes).toBeInstanceOf(ArrayBuffer);
    expect(transfer).toHaveLength(1);
    expect(transfer[0]!.byteLength).toBe(0); // it is gone here
    expect(decode(data)).toEqual(large);
  });

  it('shares the bytes of one that functions take, as several threads may read them', () => {
    const { data, transfer } = reported(large, true);
    expect(data.bytes).toBeInstanceOf(SharedArrayBuffer);
    expect(transfer).toEqual([]);
    expect(decode(data)).toEqual(large);
  });

  it('keeps the class of errors, and views in shared memory, in a result that no function takes', () => {
    const view = new Float64Array(10_000).fill(2);
    const { data } = reported({ large, view, error: new RangeError('x') }, false);
    const back = decode(data) as { readonly view: Float64Array; readonly error: unknown };
    expect(back.view.buffer).toBeInstanceOf(SharedArrayBuffer);
    expect(back.view).toEqual(view);
    expect(back.error).toBeInstanceOf(RangeError);
  });
});
