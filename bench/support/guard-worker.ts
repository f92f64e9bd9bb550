/** Runs CPU-bound functions in the same loop as a thread does, with or without the warm-up, and reports the time. */
import { parentPort, workerData } from 'node:worker_threads';
import { Executor } from '../../lib/workers/node/worker/executor.ts';
import { warmUp } from '../../lib/workers/node/worker/invoke.ts';
import { headBits, Word, WordWriter } from '../../lib/workers/node/program.ts';
import { newCursor, ToThread } from '../../lib/workers/node/wire.ts';

const batches = 40;
const size = 50;

if (workerData === 'on') warmUp();
const url = new URL('./crunch.ts', import.meta.url).href;
const cursors = new Int32Array(new SharedArrayBuffer(4));
const parts = { node: 'n', cursors, programs: new Int32Array(0), reportFrom: new Float64Array(1) };
const executor = new Executor({ ...parts, ending: new Int32Array(1), prints: { flush() {} } }, () => {});
for (const [code, name] of ['primes', 'matrix', 'texts'].entries()) {
  executor.codes.define(code, { url, module: url, export: name });
  await executor.codes.load(code);
}
const words = new WordWriter();
const before = performance.now();
for (let batch = 0; batch < batches; batch++) {
  words.begin();
  for (let i = 0; i < size; i++) {
    words.push(batch < batches / 2 ? 0 : i % 3);
    words.push(2 << headBits);
    words.push((200 << 2) | Word.integer);
    words.push((i << 2) | Word.integer);
  }
  cursors[0] = newCursor(size);
  executor.accept([ToThread.batch, batch, 0, 0, 0, 'run', 'bench', size, words.written.slice(), [], null, null]);
}
parentPort!.postMessage(performance.now() - before);
