/** Many concurrent functions at once, in a process of their own. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const root = new URL('../..', import.meta.url);

const program = `
  import { Dag, Handoff, tasks } from ${JSON.stringify(new URL('lib/index.ts', root).href)};
  const { pass } = tasks(${JSON.stringify(new URL('spec/fixtures/concurrent-tasks.ts', root).href)}, { concurrent: true });
  const count = 10_000;
  const memory = new SharedArrayBuffer(16);
  const words = new Int32Array(memory);
  const handoff = await Handoff.start({ nodes: [{ name: 'a', capabilities: {}, threads: 1, concurrency: count }] });
  await handoff.execute(new Dag().add({ id: 'first', code: pass, extraArgs: [memory, -1] }));
  const dag = new Dag();
  for (let k = 0; k < count; k++) dag.add({ id: 'f' + k, code: pass, extraArgs: [memory] });
  globalThis.gc();
  const before = process.memoryUsage.rss();
  const running = handoff.execute(dag);
  for (let now = 0; (now = Atomics.load(words, 0)) < count + 1;) await Atomics.waitAsync(words, 0, now).value;
  const mebibytes = (process.memoryUsage.rss() - before) / 2 ** 20;
  Atomics.store(words, 1, 1);
  Atomics.notify(words, 1);
  await running;
  await handoff.stop();
  console.log(JSON.stringify({ most: Atomics.load(words, 3), mebibytes }));
`;

it('10,000 concurrent functions are in flight on one thread, in less than 128 MiB', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'concurrent-'));
  const file = join(folder, 'program.mts');
  writeFileSync(file, program);
  const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', file]).finally(() =>
    rmSync(folder, { recursive: true }),
  );
  const { most, mebibytes } = JSON.parse(stdout) as { most: number; mebibytes: number };
  expect(most).toBe(10_000);
  expect(mebibytes).toBeLessThan(128); // 85 to 90 on our machine
});
