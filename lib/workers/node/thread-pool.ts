/**
 * Piscina as the control plane: it starts, ends and restarts threads. Each thread runs one long-lived task, `serve`,
 * whose ports are the data plane.
 */
import { MessageChannel, type MessagePort, type ResourceLimits, type Worker } from 'node:worker_threads';
import { type Remote, releaseProxy, wrap } from 'comlink';
import { Piscina } from 'piscina';
import { endpointOf } from '../actor/endpoint.ts';
import type { Capabilities } from '../../dag/types.ts';
import { moduleUrl } from '../../core/package-files.ts';
import { programWords } from './program.ts';
import { type Control, type Output, type PreloadedModule, type ServeOptions, slotsFor } from './wire.ts';

/** The module that each thread loads. */
export const threadEntry = moduleUrl('workers/node/worker/serve').href;

export interface NodeSettings {
  readonly name: string;
  readonly capabilities: Capabilities;
  readonly threads: number;
  readonly speed: number;
  /** Cost of each ms a function runs there. */
  readonly price?: number;
  /** How many concurrent functions a thread holds. */
  readonly concurrency: number;
  readonly output: Output;
  /** Bytes that results may hold; undefined: no limit. */
  readonly memoryBudget: number | undefined;
  /** ms the import of a module may take; Infinity: no limit. */
  readonly importTimeout: number;
  /** What its threads start with. */
  readonly start?: ThreadStart;
}

/** What threads start with; see `NodeOptions`. */
export interface ThreadStart {
  /** URLs. */
  readonly preload: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly execArgv?: readonly string[];
  readonly resourceLimits?: ResourceLimits;
}

/** Why a thread is gone. */
export interface ThreadExit {
  readonly reason: 'stopped' | 'killed' | 'exit' | 'out-of-memory' | 'uncaught';
  readonly exitCode?: number;
  readonly error?: unknown;
}

/** A thread that runs `serve`. */
export interface PoolThread {
  readonly port: MessagePort;
  readonly cursors: Int32Array;
  readonly programs: Int32Array;
  /** See `ServeOptions`. */
  readonly reportFrom: Float64Array;
  readonly control: Remote<Control>;
  /** Resolves when the thread is gone and every message it sent has arrived. */
  readonly ended: Promise<ThreadExit>;
  /** Undefined before it has started. For measurements. */
  readonly worker: Worker | undefined;
  /** Ends the thread at once. */
  kill(): void;
}

/** Records which thread a task was assigned to. Under a symbol of Piscina, so that it is not sent to the thread. */
interface Assignment {
  worker: Worker | undefined;
}

/**
 * Piscina's side of a thread. Its port keeps the process alive while the thread has a task, and ours always has one.
 */
interface PoolWorker {
  unref?(): void;
}

// Piscina passes it to load balancers under a symbol that it does not export.
function poolWorkerOf(worker: object): PoolWorker | undefined {
  const symbol = Object.getOwnPropertySymbols(worker).find(({ description }) => description === 'Piscina.kWorkerData');
  return symbol === undefined ? undefined : (worker as Record<symbol, PoolWorker>)[symbol];
}

// What a thread needs for itself, and for reporting that it runs out of memory.
const minHeapMb = 64;

/** The heap limit of a thread, in MB, on a node with a declared memory. A single function may use all of it. */
export function heapLimit(memory: number | undefined): number | undefined {
  return memory === undefined || memory === 0 ? undefined : Math.max(minHeapMb, Math.floor(memory));
}

// Node ends a thread that reaches its limit, after giving its garbage collector 16 MB more. A larger young generation
// may need more than that, and then the whole process aborts.
const maxYoungMb = 12;
const maxSmallHeapMb = 4096;

function limitsOf(heapMb: number): ResourceLimits {
  return { maxOldGenerationSizeMb: heapMb, ...(heapMb <= maxSmallHeapMb && { maxYoungGenerationSizeMb: maxYoungMb }) };
}

export class ThreadPool {
  readonly #piscina: Piscina<ServeOptions, void>;
  readonly #settings: NodeSettings;
  /** The exits of threads that were ended one by one. */
  readonly #exits = new Set<Promise<void>>();

  /**
   * @param settings of the node; `threads` of them start at once
   * @param maxThreads how many there may ever be
   */
  constructor(settings: NodeSettings, maxThreads: number) {
    const { threads, start } = settings;
    const heapMb = heapLimit(settings.capabilities['memory']);
    this.#settings = settings;
    this.#piscina = new Piscina<ServeOptions, void>({
      filename: threadEntry,
      name: 'serve',
      minThreads: threads,
      maxThreads: Math.max(threads, maxThreads),
      idleTimeout: Infinity,
      concurrentTasksPerWorker: 1,
      stricterFIFO: true,
      recordTiming: false,
      loadBalancer: (task, workers) => {
        const free = workers.find(({ currentUsage }) => currentUsage === 0) ?? null;
        const assignment = task[Piscina.queueOptionsSymbol as keyof typeof task] as unknown as Assignment;
        if (free !== null) {
          assignment.worker = this.#piscina.threads.find(({ threadId }) => threadId === free.id);
          queueMicrotask(() => poolWorkerOf(free)?.unref?.()); // after it has received the task
        }
        return free;
      },
      ...((heapMb !== undefined || start?.resourceLimits !== undefined) && {
        resourceLimits: { ...(heapMb !== undefined && limitsOf(heapMb)), ...start?.resourceLimits },
      }),
      ...(start?.env !== undefined && { env: { ...start.env } }),
      ...(start?.execArgv !== undefined && { execArgv: [...start.execArgv] }),
    });
    // A thread failed while it had no task. The failure shows when the next task attaches to it.
    this.#piscina.on('error', () => {});
  }

  /** ms the import of a module may take. */
  get importTimeout(): number {
    return this.#settings.importTimeout;
  }

  /** The URLs of the modules that threads import before they are ready. */
  get preload(): readonly string[] {
    return this.#settings.start?.preload ?? [];
  }

  /** Makes a thread serve. Its port reports when it is ready. */
  attach(preload: readonly PreloadedModule[]): PoolThread {
    const data = new MessageChannel();
    const control = new MessageChannel();
    const killer = new AbortController();
    const { name, output, memoryBudget, concurrency } = this.#settings;
    const slots = slotsFor(concurrency);
    const cursors = new Int32Array(new SharedArrayBuffer(slots * Int32Array.BYTES_PER_ELEMENT));
    const programs = new Int32Array(new SharedArrayBuffer(programWords * Int32Array.BYTES_PER_ELEMENT));
    const reportFrom = new Float64Array(new SharedArrayBuffer(Float64Array.BYTES_PER_ELEMENT));
    const ending = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
    const closed = new Promise<void>((resolve) => data.port1.once('close', resolve));
    // The signal makes the task exclusive; aborting it ends only this thread.
    const assignment: Assignment = { worker: undefined };
    const served = this.#piscina.run(
      {
        [Piscina.queueOptionsSymbol]: assignment,
        port: data.port2,
        control: control.port2,
        node: name,
        cursors,
        programs,
        reportFrom,
        ending,
        concurrency,
        preload,
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
      reportFrom,
      control: proxy,
      ended,
      kill: () => {
        Atomics.store(ending, 0, 1);
        if (assignment.worker !== undefined) this.#expectExit(assignment.worker);
        killer.abort();
      },
      get worker() {
        return assignment.worker;
      },
    };
  }

  /** Ends the remaining threads. */
  async destroy(): Promise<void> {
    // Piscina replaces a thread when it exits, even after `destroy`, so those that are being ended must be gone before.
    await Promise.all(this.#exits);
    await this.#piscina.destroy();
  }

  #expectExit(worker: Worker): void {
    if (worker.threadId < 0) return; // it has exited
    const exited = new Promise<void>((resolve) => void worker.once('exit', () => resolve()));
    this.#exits.add(exited);
    void exited.then(() => this.#exits.delete(exited));
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
