/**
 * Other ways to run a function on a thread, behind one interface, each configured as its documentation recommends for
 * small functions.
 */
import { Worker } from 'node:worker_threads';
import { wrap } from 'comlink';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';
import { FixedThreadPool } from 'poolifier';
import { Tinypool } from 'tinypool';
import workerpool from 'workerpool';
import { createPool, type RunTask } from './by-hand.ts';

export interface Peer {
  readonly name: string;
  readonly run: RunTask;
  stop(): Promise<unknown>;
}

const at = (file: string): URL => new URL(file, import.meta.url);

/** Starts all of them, with `threads` threads each. */
export async function startPeers(threads: number): Promise<Peer[]> {
  return [
    piscina(threads),
    tinypool(threads),
    workerPool(threads),
    poolifier(threads),
    comlink(threads),
    barePorts(threads),
  ];
}

export function piscina(threads: number): Peer {
  const pool = createPool(threads);
  return { name: 'piscina', run: (task, args) => pool.run([task, args]), stop: () => pool.destroy() };
}

function tinypool(threads: number): Peer {
  const pool = new Tinypool({
    filename: at('./tasks.ts').href,
    runtime: 'worker_threads',
    minThreads: threads,
    maxThreads: threads,
    concurrentTasksPerWorker: 32,
    idleTimeout: Infinity,
  });
  return { name: 'tinypool', run: (task, args) => pool.run([task, args]), stop: () => pool.destroy() };
}

function workerPool(threads: number): Peer {
  const pool = workerpool.pool(at('./peers/workerpool-worker.ts').pathname, {
    workerType: 'thread',
    minWorkers: threads,
    maxWorkers: threads,
  });
  return {
    name: 'workerpool',
    run: async (task, args) => pool.exec('call', [[task, args]]),
    stop: async () => pool.terminate(),
  };
}

function poolifier(threads: number): Peer {
  const pool = new FixedThreadPool<unknown, unknown>(threads, at('./peers/poolifier-worker.ts').pathname);
  return { name: 'poolifier', run: (task, args) => pool.execute([task, args]), stop: () => pool.destroy() };
}

function comlink(threads: number): Peer {
  const workers = Array.from({ length: threads }, () => new Worker(at('./peers/comlink-worker.ts')));
  const proxies = workers.map((worker) =>
    wrap<{ call(job: readonly [string, readonly unknown[]]): unknown }>(nodeEndpoint(worker)),
  );
  let next = 0;
  return {
    name: 'comlink',
    run: (task, args) => proxies[next++ % threads]!.call([task, args]) as Promise<unknown>,
    stop: () => Promise.all(workers.map((worker) => worker.terminate())),
  };
}

/** One message per function, and a map of callers that wait: the minimum without batches. */
function barePorts(threads: number): Peer {
  const waiting = new Map<number, (value: unknown) => void>();
  const workers = Array.from({ length: threads }, () => {
    const worker = new Worker(at('./peers/bare-worker.ts'));
    worker.on('message', ([id, value]: [number, unknown]) => {
      waiting.get(id)!(value);
      waiting.delete(id);
    });
    return worker;
  });
  let last = 0;
  return {
    name: 'bare ports',
    run: (task, args) =>
      new Promise((resolve) => {
        const id = ++last;
        waiting.set(id, resolve);
        workers[id % threads]!.postMessage([id, task, args]);
      }),
    stop: () => Promise.all(workers.map((worker) => worker.terminate())),
  };
}
