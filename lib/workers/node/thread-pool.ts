/**
 * Piscina as the control plane: it spawns threads, ends them, and spawns them anew. Each thread runs one long-lived
 * task, `serve`, whose ports are the data plane.
 */
import { MessageChannel, type MessagePort, type ResourceLimits, type Worker } from 'node:worker_threads';
import { type Remote, releaseProxy, wrap } from 'comlink';
import { Piscina } from 'piscina';
import { endpointOf } from '../actor/endpoint.ts';
import type { Capabilities } from '../../dag/types.ts';
import { moduleUrl } from '../../core/package-files.ts';
import { programWords } from './program.ts';
import { type Control, type Output, type ServeOptions, slots } from './wire.ts';

const entry = moduleUrl('workers/node/worker/serve').href;

export interface NodeSettings {
  readonly name: string;
  readonly capabilities: Capabilities;
  readonly threads: number;
  readonly speed: number;
  /** What each ms costs that a function runs there. */
  readonly price?: number;
  readonly output: Output;
  /** How much results may hold, in bytes; undefined: no bound. */
  readonly memoryBudget: number | undefined;
  /** ms that the import of a module may take; Infinity: no limit. */
  readonly importTimeout: number;
}

/** Why a thread is gone. */
export interface ThreadExit {
  readonly reason: 'stopped' | 'killed' | 'exit' | 'out-of-memory' | 'uncaught';
  readonly exitCode?: number;
  readonly error?: unknown;
}

/** A thread that serves. */
export interface PoolThread {
  readonly port: MessagePort;
  readonly cursors: Int32Array;
  readonly programs: Int32Array;
  readonly control: Remote<Control>;
  /** Resolves when the thread is gone and everything it has sent has been received. */
  readonly ended: Promise<ThreadExit>;
  /** What is measured of it; undefined before it is started. */
  readonly worker: Worker | undefined;
  /** Ends the thread, whatever it is doing. */
  kill(): void;
}

/** Where a task notes which thread it was given to. By a symbol of Piscina's: it does not travel. */
interface Seat {
  worker: Worker | undefined;
}

/**
 * Piscina's own side of a thread. Its port keeps the process alive while the thread has a task, and ours has one for
 * ever.
 */
interface PoolWorker {
  unref?(): void;
}

// Piscina gives it to load balancers under a symbol that it does not export.
function poolWorkerOf(worker: object): PoolWorker | undefined {
  const symbol = Object.getOwnPropertySymbols(worker).find(({ description }) => description === 'Piscina.kWorkerData');
  return symbol === undefined ? undefined : (worker as Record<symbol, PoolWorker>)[symbol];
}

// What a thread needs for itself, and to be able to say that it runs out.
const leastHeapMb = 64;

/**
 * How large the heap of a thread may grow on a node that says how much memory it has, in MB. A single function may take
 * all of it.
 */
export function heapLimit(memory: number | undefined): number | undefined {
  return memory === undefined || memory === 0 ? undefined : Math.max(leastHeapMb, Math.floor(memory));
}

// Node ends a thread that reaches its limit, and lets its garbage collector have 16 MB more to come to an end. A young
// generation that is larger may need more than that, and then the whole process is aborted.
const youngMb = 12;
const smallHeapMb = 4096;

function limitsOf(heapMb: number): ResourceLimits {
  return { maxOldGenerationSizeMb: heapMb, ...(heapMb <= smallHeapMb && { maxYoungGenerationSizeMb: youngMb }) };
}

export class ThreadPool {
  readonly #piscina: Piscina<ServeOptions, void>;
  readonly #settings: NodeSettings;

  /**
   * @param settings of the node whose threads these are; so many are started at once
   * @param most how many there may ever be
   */
  constructor(settings: NodeSettings, most: number) {
    const { threads } = settings;
    const heapMb = heapLimit(settings.capabilities['memory']);
    this.#settings = settings;
    this.#piscina = new Piscina<ServeOptions, void>({
      filename: entry,
      name: 'serve',
      minThreads: threads,
      maxThreads: Math.max(threads, most),
      idleTimeout: Infinity,
      concurrentTasksPerWorker: 1,
      stricterFIFO: true,
      recordTiming: false,
      loadBalancer: (task, workers) => {
        const free = workers.find(({ currentUsage }) => currentUsage === 0) ?? null;
        const seat = task[Piscina.queueOptionsSymbol as keyof typeof task] as unknown as Seat;
        if (free !== null) {
          seat.worker = this.#piscina.threads.find(({ threadId }) => threadId === free.id);
          queueMicrotask(() => poolWorkerOf(free)?.unref?.()); // once it has been given the task
        }
        return free;
      },
      ...(heapMb !== undefined && { resourceLimits: limitsOf(heapMb) }),
    });
    // A thread that fails while it has no task. Its thread is told when it attaches.
    this.#piscina.on('error', () => {});
  }

  /** ms that the import of a module may take. */
  get importTimeout(): number {
    return this.#settings.importTimeout;
  }

  /** Has a thread serve. It is ready when it says so on its port. */
  attach(): PoolThread {
    const data = new MessageChannel();
    const control = new MessageChannel();
    const killer = new AbortController();
    const cursors = new Int32Array(new SharedArrayBuffer(slots * Int32Array.BYTES_PER_ELEMENT));
    const { name, output, memoryBudget } = this.#settings;
    const programs = new Int32Array(new SharedArrayBuffer(programWords * Int32Array.BYTES_PER_ELEMENT));
    const closed = new Promise<void>((resolve) => data.port1.once('close', resolve));
    // The signal makes the task exclusive, and aborting it ends just its thread.
    const seat: Seat = { worker: undefined };
    const served = this.#piscina.run(
      {
        [Piscina.queueOptionsSymbol]: seat,
        port: data.port2,
        control: control.port2,
        node: name,
        cursors,
        programs,
        output,
        memoryBudget,
      },
      { transferList: [data.port2, control.port2], signal: killer.signal },
    );
    const proxy = wrap<Control>(endpointOf(control.port1));
    control.port1.unref();
    const ended = served
      .then(
        (): ThreadExit => ({ reason: 'stopped' }),
        (error: unknown) => classify(error, killer.signal.aborted),
      )
      .then(async (exit) => {
        if (exit.reason === 'stopped') data.port1.close();
        await closed;
        proxy[releaseProxy]();
        control.port1.close();
        return exit;
      });
    return {
      port: data.port1,
      cursors,
      programs,
      control: proxy,
      ended,
      kill: () => killer.abort(),
      get worker() {
        return seat.worker;
      },
    };
  }

  /** Ends what is left of the threads. */
  async destroy(): Promise<void> {
    await this.#piscina.destroy();
  }
}

function classify(error: unknown, aborted: boolean): ThreadExit {
  if (aborted) return { reason: 'killed' };
  const { code, message } = error as { code?: unknown; message?: unknown };
  if (code === 'ERR_WORKER_OUT_OF_MEMORY') return { reason: 'out-of-memory', error };
  const exited = /^worker exited with code: (-?\d+)$/.exec(String(message));
  if (exited !== null) return { reason: 'exit', exitCode: Number(exited[1]) };
  if (message === 'Terminating worker thread') return { reason: 'killed' };
  return { reason: 'uncaught', error };
}
