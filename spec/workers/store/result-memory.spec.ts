import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Payload } from '../../../lib/workers/store/payload.ts';
import { ResultMemory, type SpillFailure } from '../../../lib/workers/store/result-memory.ts';
import type { SpillFolder } from '../../../lib/workers/store/spill-folder.ts';

/** A folder whose writes end when they are told to. */
class SlowFolder {
  readonly writes: {
    readonly bytes: number;
    readonly done: (file: string) => void;
    readonly fail: (error: Error) => void;
  }[] = [];
  readonly removed: string[] = [];

  write(parts: readonly Uint8Array[]): Promise<string> {
    return new Promise((done, fail) =>
      this.writes.push({ bytes: parts.reduce((sum, part) => sum + part.byteLength, 0), done, fail }),
    );
  }

  async remove(file: string): Promise<void> {
    this.removed.push(file);
  }
}

const payload = (bytes: number): Payload => new Payload({ kind: 'buffer', bytes: new SharedArrayBuffer(bytes) });
const settled = (): Promise<void> => new Promise(setImmediate);

let folder: SlowFolder;
let told: (boolean | SpillFailure)[];
let memory: ResultMemory;
beforeEach(() => {
  folder = new SlowFolder();
  told = [];
  memory = new ResultMemory(100, folder as unknown as SpillFolder, {
    pressed: (isPressed) => told.push(isPressed),
    failed: (failure) => told.push(failure),
  });
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

  it('reports when the budget is exceeded, and when it is not any longer', async () => {
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

  it('drops results that are no longer needed, wherever they are', async () => {
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

  it('removes the file of a result that was dropped during its write', async () => {
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

  describe('when the disk fails', () => {
    beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
    afterEach(() => void vi.useRealTimers());

    const full = new Error('no space left');
    const failed = (bytes: number, retryIn: number): SpillFailure => ({ error: full, bytes, retryIn });

    it('keeps all results in memory until the next try, and delays no function', async () => {
      const all = [payload(60), payload(60), payload(60)];
      all.forEach((each) => memory.add(each));
      folder.writes[0]!.fail(full);
      await settled();
      expect(told).toEqual([true, failed(180, 1000), false]);
      memory.add(payload(60));
      expect(folder.writes).toHaveLength(2);
      expect(all[0]!.data.kind).toBe('buffer');
    });

    it('tries again, and keeps the budget once a write has gone well', async () => {
      const all = [payload(60), payload(60)];
      all.forEach((each) => memory.add(each));
      folder.writes[0]!.fail(full);
      await settled();
      vi.advanceTimersByTime(999);
      expect(folder.writes).toHaveLength(1);
      vi.advanceTimersByTime(1);
      expect(folder.writes).toHaveLength(2);
      folder.writes[1]!.done('file');
      await settled();
      expect(all[0]!.data.kind).toBe('spilled');
      expect(memory.bytes).toBe(60);
    });

    it('reports once for all that failed together, and at each further failure, at growing intervals', async () => {
      for (let i = 0; i < 6; i++) memory.add(payload(60));
      for (const { fail } of folder.writes) fail(full);
      await settled();
      expect(told).toEqual([true, failed(360, 1000), false]);
      for (const retryIn of [2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]) {
        vi.advanceTimersByTime((told.findLast((each) => typeof each === 'object') as SpillFailure).retryIn);
        for (const { fail } of folder.writes) fail(full);
        await settled();
        expect(told.slice(-2)).toEqual([failed(360, retryIn), false]);
      }
    });

    it('begins with short pauses again after a write that went well', async () => {
      for (let i = 0; i < 2; i++) memory.add(payload(60));
      folder.writes[0]!.fail(full);
      await settled();
      vi.advanceTimersByTime(1000);
      folder.writes[1]!.done('file');
      await settled();
      memory.add(payload(60));
      folder.writes[2]!.fail(full);
      await settled();
      expect(told).toContainEqual(failed(120, 1000));
      expect(told).not.toContainEqual(expect.objectContaining({ retryIn: 2000 }));
    });

    it('tries nothing after it is stopped', async () => {
      for (let i = 0; i < 2; i++) memory.add(payload(60));
      const stopping = memory.stop();
      folder.writes[0]!.fail(full);
      await stopping;
      expect(vi.getTimerCount()).toBe(0);
    });
  });

  it('writes few at a time', () => {
    for (let i = 0; i < 50; i++) memory.add(payload(60));
    expect(folder.writes).toHaveLength(4);
  });
});
