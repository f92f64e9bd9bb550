/** An actor's thread: makes the instance, and runs its methods one at a time. */
import { parentPort, workerData } from 'node:worker_threads';
import { expose } from 'comlink';
import { toErrorWire } from '../../core/error-wire.ts';
import { HandoffError } from '../../core/errors.ts';
import { endpointOf } from './endpoint.ts';
import type { ActorHost, ActorStart, FromActor, Reply } from './wire.ts';

type Method = (...args: readonly unknown[]) => unknown;

/** What an instance may have beside its methods. */
interface Instance {
  snapshot?(): unknown;
  restore?(state: unknown): unknown;
  [Symbol.asyncDispose]?(): PromiseLike<void>;
  [Symbol.dispose]?(): void;
}

const start = workerData as ActorStart;
const tell = (message: FromActor): void => parentPort!.postMessage(message);
process.on('uncaughtExceptionMonitor', (error) => tell({ type: 'crashing', error: toErrorWire(error) }));
if (start.quiet) process.stdout.write = process.stderr.write.bind(process.stderr) as typeof process.stdout.write;

try {
  expose(hostOf(await make(start)), endpointOf(start.port));
  tell({ type: 'ready' });
} catch (error) {
  tell({ type: 'failed', error: toErrorWire(error) });
  start.port.close();
}

async function make({ url, module, export: name, args, snapshot }: ActorStart): Promise<Instance> {
  let exports: Record<string, unknown>;
  try {
    exports = (await import(url)) as Record<string, unknown>;
  } catch (cause) {
    throw new HandoffError('FUNCTION_NOT_FOUND', `Module ${module} cannot be imported: ${cause instanceof Error ? cause.message : String(cause)}`, { module, cause });
  }
  const found = exports[name];
  if (typeof found !== 'function' || !isClass(found)) {
    throw new HandoffError('FUNCTION_NOT_FOUND', `Module ${module} does not export a class ${name}: spawn() takes an exported class.`, { module });
  }
  const instance = new (found as new (...args: readonly unknown[]) => Instance)(...args);
  if (snapshot !== undefined) await instance.restore?.(snapshot.state);
  return instance;
}

function isClass(fn: Function): boolean {
  return /^class\b/.test(Function.prototype.toString.call(fn));
}

function hostOf(instance: Instance): ActorHost {
  let last: Promise<unknown> = Promise.resolve();
  let unsaved = 0;
  const inTurn = <Result>(work: () => Promise<Result>): Promise<Result> => {
    const turn = last.then(work);
    last = turn.catch(() => {});
    return turn;
  };
  return {
    call: (method, args) => inTurn(async () => {
      const reply = await run(instance, method, args);
      if (typeof instance.snapshot !== 'function' || typeof instance.restore !== 'function' || ++unsaved < start.snapshotEvery) return reply;
      unsaved = 0;
      try {
        return { ...reply, snapshot: { state: structuredClone(await instance.snapshot()) } };
      } catch (cause) {
        // The message is done; that its state cannot be saved is a fault all the same, and must not show only after a crash.
        return { ok: false, error: toErrorWire(new HandoffError('NOT_SERIALIZABLE', `snapshot() after ${method}() failed: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })) };
      }
    }),
    close: () => inTurn(async () => {
      await instance[Symbol.asyncDispose]?.();
      instance[Symbol.dispose]?.();
    }),
  };
}

async function run(instance: Instance, method: string, args: readonly unknown[]): Promise<Reply> {
  try {
    const found = methodOf(instance, method);
    const value = await found.apply(instance, args as unknown[]);
    return { ok: true, value: sendable(value, method) };
  } catch (error) {
    return { ok: false, error: toErrorWire(error) };
  }
}

/** A method of its class or one that it extends. What every object has is none of them. */
function methodOf(instance: Instance, name: string): Method {
  const found = (instance as Record<string, unknown>)[name];
  if (typeof found === 'function' && name !== 'constructor' && !(name in Object.prototype)) return found as Method;
  const names = new Set<string>();
  for (let proto: unknown = Object.getPrototypeOf(instance); proto !== null && proto !== Object.prototype; proto = Object.getPrototypeOf(proto)) {
    for (const each of Object.getOwnPropertyNames(proto)) if (each !== 'constructor') names.add(each);
  }
  throw new HandoffError('FUNCTION_NOT_FOUND', `${start.export} has no method ${JSON.stringify(name)}; it has ${[...names].join(', ') || 'none'}.`, { module: start.module });
}

/** Errors are values like others, but a port would take their class from them. */
function sendable(value: unknown, method: string): unknown {
  if (typeof value !== 'function' && typeof value !== 'symbol') {
    if (typeof value !== 'object' || value === null) return value;
    try {
      structuredClone(value);
      return value;
    } catch {
      // told below
    }
  }
  throw new HandoffError('NOT_SERIALIZABLE', `What ${start.export}.${method}() gave cannot leave its thread.`);
}
