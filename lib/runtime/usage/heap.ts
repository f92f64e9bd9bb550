/** How much memory a thread holds, asked from outside: also while its function never yields. */
import type { Session } from 'node:inspector';
import type { Worker } from 'node:worker_threads';

const MiB = 2 ** 20;

// In ms. Only a thread inside native code answers later than this.
const patience = 200;
const collectPatience = 2000;

/** Resolves to undefined after so many ms. */
export function late(ms: number): { readonly passed: Promise<undefined>; clear(): void } {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(resolve, ms, undefined);
  timer.unref();
  return { passed: promise, clear: () => clearTimeout(timer) };
}

/** What is given in time; undefined when it comes too late, or fails. */
export async function inTime<Value>(work: Promise<Value>, ms = patience): Promise<Value | undefined> {
  const { passed, clear } = late(ms);
  try {
    return await Promise.race([work, passed]);
  } catch {
    return undefined; // the thread is gone
  } finally {
    clear();
  }
}

/** What a thread holds, in MB, garbage included; undefined when it is gone or does not answer. */
export async function heapMb(worker: Worker): Promise<number | undefined> {
  const statistics = await inTime(worker.getHeapStatistics());
  return statistics && (statistics.used_heap_size + statistics.external_memory) / MiB;
}

/**
 * What a thread holds after a collection of its garbage, in MB; undefined when it does not answer. Only an inspector can have a thread collect
 * that is busy; it is there for the time of the question, and asks nothing else.
 *
 * @returns `'unknown'` where there is no inspector that reaches threads
 */
export async function liveHeapMb(worker: Worker): Promise<number | 'unknown' | undefined> {
  const session = await connect();
  if (session === undefined) return 'unknown';
  const { promise, resolve } = Promise.withResolvers<number | 'unknown'>();
  let asked: string | undefined;
  session.on('NodeWorker.attachedToWorker', ({ params: { sessionId, workerInfo } }) => {
    if (/\d+/.exec(workerInfo.title)?.[0] !== String(worker.threadId)) return; // the title has the thread's number, the other fields do not
    asked = sessionId;
    for (const [id, method] of ['HeapProfiler.collectGarbage', 'Runtime.getHeapUsage'].entries()) {
      session.post('NodeWorker.sendMessageToWorker', { sessionId, message: JSON.stringify({ id, method }) });
    }
  });
  session.on('NodeWorker.receivedMessageFromWorker', ({ params: { sessionId, message } }) => {
    const { id, result } = JSON.parse(message) as { id: number; result?: { usedSize: number; backingStorageSize?: number } };
    if (sessionId === asked && id === 1) resolve(result === undefined ? 'unknown' : (result.usedSize + (result.backingStorageSize ?? 0)) / MiB);
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
    return undefined; // this Node was built without one
  }
}
