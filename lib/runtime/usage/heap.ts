/** Measures the memory of a thread from outside, even while its function never yields. */
import type { Session } from 'node:inspector';
import type { Worker } from 'node:worker_threads';

const MiB = 2 ** 20;

// Limits in ms. Only a thread inside native code answers later.
const patience = 200;
const collectPatience = 10_000; // a large heap takes a second per 300 MB

/**
 * Collects garbage and reads the heap, in MB, in one step that interrupts the function. `HeapProfiler.collectGarbage`
 * waits until the function yields. The flag stays set, since another thread may be about to use it.
 */
const collectAndRead = `(() => {
  const { setFlagsFromString, getHeapStatistics } = process.getBuiltinModule('node:v8');
  setFlagsFromString('--expose-gc');
  process.getBuiltinModule('node:vm').runInNewContext('gc')();
  const { used_heap_size, external_memory } = getHeapStatistics();
  return (used_heap_size + external_memory) / ${MiB};
})()`;

/** Resolves to undefined after `ms`. */
export function late(ms: number): { readonly passed: Promise<undefined>; clear(): void } {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(resolve, ms, undefined);
  timer.unref();
  return { passed: promise, clear: () => clearTimeout(timer) };
}

/** The value of a promise, or undefined when it fails or takes longer than `ms`. */
export async function inTime<Value>(work: Promise<Value>, ms = patience): Promise<Value | undefined> {
  const { passed, clear } = late(ms);
  try {
    return await Promise.race([work, passed]);
  } catch {
    return undefined; // the thread has ended
  } finally {
    clear();
  }
}

/** The heap of a thread in MB, including garbage; undefined when the thread has ended or does not answer. */
export async function heapMb(worker: Worker): Promise<number | undefined> {
  const statistics = await inTime(worker.getHeapStatistics());
  return statistics && (statistics.used_heap_size + statistics.external_memory) / MiB;
}

/**
 * The heap of a thread in MB after a garbage collection; undefined when the thread does not answer. Only the inspector
 * can collect garbage in a busy thread; the session lasts only for this measurement.
 *
 * @returns `'unknown'` when no inspector can reach the thread
 */
export async function liveHeapMb(worker: Worker): Promise<number | 'unknown' | undefined> {
  const session = await connect();
  if (session === undefined) return 'unknown';
  const { promise, resolve } = Promise.withResolvers<number | 'unknown'>();
  let asked: string | undefined;
  session.on('NodeWorker.attachedToWorker', ({ params: { sessionId, workerInfo } }) => {
    // Only the title contains the thread number.
    if (/\d+/.exec(workerInfo.title)?.[0] !== String(worker.threadId)) return;
    asked = sessionId;
    const message = { id: 0, method: 'Runtime.evaluate', params: { expression: collectAndRead, silent: true } };
    session.post('NodeWorker.sendMessageToWorker', { sessionId, message: JSON.stringify(message) });
  });
  session.on('NodeWorker.receivedMessageFromWorker', ({ params: { sessionId, message } }) => {
    const { id, result } = JSON.parse(message) as { id?: number; result?: { result?: { value?: unknown } } };
    if (sessionId !== asked || id !== 0) return;
    const value = result?.result?.value;
    resolve(typeof value === 'number' ? value : 'unknown');
  });
  session.post('NodeWorker.enable', { waitForDebuggerOnStart: false }, (error) => {
    if (error !== null) resolve('unknown');
  });
  try {
    return await inTime(promise, collectPatience);
  } finally {
    session.disconnect();
  }
}

async function connect(): Promise<Session | undefined> {
  try {
    const inspector = await import('node:inspector');
    const session = new inspector.Session();
    session.connect();
    return session;
  } catch {
    return undefined; // this Node was built without an inspector
  }
}
