/** Readings of threads and of the process, and their use between two readings. */
import type { EventLoopUtilization } from 'node:perf_hooks';
import type { Worker } from 'node:worker_threads';
import type { WorkerThread } from '../../workers/node/worker-thread.ts';
import { heapMb, inTime } from './heap.ts';
import type { HostUse, NodeUse, ThreadUse } from './resources.ts';

const MiB = 2 ** 20;

/** A node that can be measured. */
export interface Readable {
  readonly running: readonly WorkerThread[];
}

interface ThreadReading {
  readonly loop: EventLoopUtilization;
  /** In µs; undefined where Node does not report it. */
  readonly cpu: number | undefined;
  readonly heapMb: number;
  /** Whether it has unfinished work. */
  readonly busy: boolean;
}

/** A measurement of all threads at one moment. */
export interface Reading {
  /** In ms. */
  readonly at: number;
  /** CPU time of the process, in µs. */
  readonly cpu: number;
  readonly threads: ReadonlyMap<WorkerThread, ThreadReading>;
}

export async function read(nodes: Iterable<Readable>): Promise<Reading> {
  const threads = new Map<WorkerThread, ThreadReading>();
  await Promise.all(
    [...nodes]
      .flatMap(({ running }) => running)
      .map(async (thread) => {
        const { worker, idle } = thread;
        const reading = worker && (await readThread(worker, !idle));
        if (reading !== undefined) threads.set(thread, reading);
      }),
  );
  return { ...nothingRead(), threads };
}

/** The empty reading before the first one. */
export function nothingRead(): Reading {
  const { user, system } = process.cpuUsage();
  return { at: performance.now(), cpu: user + system, threads: new Map() };
}

/** The last known heap size per thread, for threads inside native code that do not answer. */
const lastHeap = new WeakMap<Worker, number>();

async function readThread(worker: Worker, busy: boolean): Promise<ThreadReading | undefined> {
  const [heap = lastHeap.get(worker), cpu] = await Promise.all([heapMb(worker), cpuOf(worker)]);
  if (heap === undefined) return undefined;
  lastHeap.set(worker, heap);
  return { loop: worker.performance.eventLoopUtilization(), cpu, heapMb: heap, busy };
}

/** `cpuUsage` is newer than the oldest supported Node. */
async function cpuOf(worker: Worker): Promise<number | undefined> {
  if (typeof worker.cpuUsage !== 'function') return undefined;
  const used = await inTime(worker.cpuUsage());
  return used && used.user + used.system;
}

/** The use of the process between two readings. */
export function hostUse(before: Reading, after: Reading): HostUse {
  return {
    cpu: (after.cpu - before.cpu) / 1000 / elapsed(before, after),
    rssMb: process.memoryUsage.rss() / MiB,
    freeMemoryMb: process.availableMemory() / MiB,
  };
}

/** The use of a node between two readings. A new thread counts from its start. */
export function nodeUse({ running }: Readable, before: Reading, after: Reading): NodeUse {
  const all = running.flatMap((thread) => threadUse(thread, before, after) ?? []);
  return {
    cpu: all.reduce((sum, { cpu }) => sum + cpu, 0),
    memory: all.reduce((sum, { heapMb: held }) => sum + held, 0),
    threads: all.map(({ utilization, heapMb: held }) => ({ utilization, heapMb: held })),
  };
}

function threadUse(
  thread: WorkerThread,
  before: Reading,
  after: Reading,
): (ThreadUse & { readonly cpu: number }) | undefined {
  const now = after.threads.get(thread);
  if (now === undefined) return undefined;
  const then = before.threads.get(thread);
  const active = now.loop.active - (then?.loop.active ?? 0);
  const all = active + now.loop.idle - (then?.loop.idle ?? 0);
  const utilization = all > 0 ? Math.min(1, Math.max(0, active / all)) : 0;
  const cpu =
    now.cpu === undefined || then?.cpu === undefined
      ? utilization
      : (now.cpu - then.cpu) / 1000 / elapsed(before, after);
  return { utilization, heapMb: now.heapMb, cpu };
}

function elapsed(before: Reading, after: Reading): number {
  return Math.max(after.at - before.at, 1e-3);
}

/**
 * What running functions of a node use. The heap of a busy thread counts above its lowest value; idle threads free
 * memory on demand and do not count.
 */
export function functionsUse(
  { running }: Readable,
  before: Reading,
  after: Reading,
  least: WeakMap<WorkerThread, number>,
): { readonly cpu: number; readonly memory: number } {
  let [cpu, memory] = [0, 0];
  for (const thread of running) {
    const now = after.threads.get(thread);
    if (now === undefined) continue;
    const base = Math.min(now.heapMb, least.get(thread) ?? Infinity);
    least.set(thread, base);
    if (!now.busy) continue;
    cpu += threadUse(thread, before, after)!.cpu;
    memory += now.heapMb - base;
  }
  return { cpu, memory };
}
