/** Measures the memory of a thread from outside, even while its function never yields. */
import type { Session } from 'node:inspector';
import type { Worker } from 'node:worker_threads';

const MiB = 2 ** 20;

// Limits in ms. Only a thread inside native code answers later.
const patience = 200;
const collectPatience = 2000;

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
    for (const [id, method] of ['HeapProfiler.collectGarbage', 'Runtime.getHeapUsage'].entries()) {
      session.post('NodeWorker.sendMessageToWorker', { sessionId, message: JSON.stringify({ id, method }) });
    }
  });
  session.on('NodeWorker.receivedMessageFromWorker', ({ params: { sessionId, message } }) => {
    const { id, result } = JSON.parse(message) as {
      id: number;
      result?: { usedSize: number; backingStorageSize?: number };
    };
    if (sessionId === asked && id === 1)
      resolve(result === undefined ? 'unknown' : (result.usedSize + (result.backingStorageSize ?? 0)) / MiB);
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
