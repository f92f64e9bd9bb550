import { beforeEach, describe, expect, it } from 'vitest';
import { Payload } from '../../../lib/workers/store/payload.ts';
import { ResultMemory } from '../../../lib/workers/store/result-memory.ts';
import type { SpillFolder } from '../../../lib/workers/store/spill-folder.ts';

/** A folder whose writes end when they are told to. */
class SlowFolder {
  readonly writes: { readonly bytes: number; readonly done: (file: string) => void; readonly fail: (error: Error) => void }[] = [];
  readonly removed: string[] = [];

  write(parts: readonly Uint8Array[]): Promise<string> {
    return new Promise((done, fail) => this.writes.push({ bytes: parts.reduce((sum, part) => sum + part.byteLength, 0), done, fail }));
  }

  async remove(file: string): Promise<void> {
    this.removed.push(file);
  }
}

const payload = (bytes: number): Payload => new Payload({ kind: 'buffer', bytes: new SharedArrayBuffer(bytes) });
const settled = (): Promise<void> => new Promise(setImmediate);

let folder: SlowFolder;
let told: (boolean | Error)[];
let memory: ResultMemory;
beforeEach(() => {
  folder = new SlowFolder();
  told = [];
  memory = new ResultMemory(100, folder as unknown as SpillFolder, { pressed: (isPressed) => told.push(isPressed), failed: (error) => told.push(error as Error) });
});

describe('the memory of results', () => {
  it('writes the least recently used first, before the budget is reached', async () => {
    const [a, b, c] = [payload(30), payload(31), payload(32)];
    memory.add(a);
    memory.add(b);
    memory.touch(a);
    memory.add(c);
    expect(folder.writes.map(({ bytes }) => bytes)).toEqual([31]);
    folder.writes[0]!.done('file');
    await settled();
    expect(b.data).toEqual({ kind: 'spilled', file: 'file', of: { kind: 'buffer', length: 31 } });
    expect(a.data.kind).toBe('buffer');
    expect(memory.bytes).toBe(62);
  });

  it('says when more is held than there may be, and when no longer', async () => {
    const all = [payload(60), payload(60), payload(60)];
    all.forEach((each) => memory.add(each));
    expect(told).toEqual([true]);
    folder.writes[0]!.done('one');
    await settled();
    expect(told).toEqual([true]);
    folder.writes[1]!.done('two');
    await settled();
    expect(told).toEqual([true, false]);
  });

  it('forgets what nobody needs, wherever it is', async () => {
    const [a, b] = [payload(60), payload(60)];
    memory.add(a);
    memory.add(b);
    memory.remove(b);
    expect(memory.bytes).toBe(60);
    folder.writes[0]!.done('one'); // a
    await settled();
    expect(memory.bytes).toBe(0);
    memory.remove(a);
    expect(folder.removed).toEqual(['one']);
  });

  it('removes the file of what was forgotten while it was written', async () => {
    const [a, b] = [payload(60), payload(60)];
    memory.add(a);
    memory.add(b);
    memory.remove(a);
    folder.writes[0]!.done('one');
    await settled();
    expect(folder.removed).toEqual(['one']);
    expect(a.data.kind).toBe('buffer');
    expect(memory.bytes).toBe(60);
  });

  it('keeps all in memory once the disk fails, and holds nobody up', async () => {
    const all = [payload(60), payload(60), payload(60)];
    all.forEach((each) => memory.add(each));
    folder.writes[0]!.fail(new Error('no space left'));
    await settled();
    expect(told).toEqual([true, expect.objectContaining({ message: 'no space left' }), false]);
    memory.add(payload(60));
    expect(folder.writes).toHaveLength(2);
    expect(all[0]!.data.kind).toBe('buffer');
  });

  it('writes few at a time', () => {
    for (let i = 0; i < 50; i++) memory.add(payload(60));
    expect(folder.writes).toHaveLength(4);
  });
});
