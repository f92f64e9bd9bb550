/** Runs in an actor's thread: creates the instance and runs its methods one at a time. */
import { messageOf } from '../../core/message-of.ts';
import { parentPort, workerData } from 'node:worker_threads';
import { toErrorWire } from '../../core/error-wire.ts';
import { HandoffError } from '../../core/errors.ts';
import { findObstacle } from '../../core/serializable.ts';
import { importCached } from '../code/compile-cache.ts';
import { type FileMark, firstChanged } from '../code/file-mark.ts';
import { fromValueWire, toValueWire, type ValueWire } from '../store/value-wire.ts';
import type { ActorStart, Answer, FromActor, Reply, ToActor } from './wire.ts';

type Method = (...args: readonly unknown[]) => unknown;

/** Optional methods of an instance. */
interface Instance {
  snapshot?(): unknown;
  restore?(state: unknown): unknown;
  [Symbol.asyncDispose]?(): PromiseLike<void>;
  [Symbol.dispose]?(): void;
}

const start = workerData as ActorStart;
const post = (message: FromActor): void => parentPort!.postMessage(message);
process.on('uncaughtExceptionMonitor', (error) => post({ type: 'crashing', error: toErrorWire(error) }));
if (start.toStderr) process.stdout.write = process.stderr.write.bind(process.stderr) as typeof process.stdout.write;

try {
  serve(await make(start));
  post({ type: 'ready' });
} catch (error) {
  post({ type: 'failed', error: toErrorWire(error) });
  start.port.close();
}

async function make({ url, module, export: name, files, args, snapshot }: ActorStart): Promise<Instance> {
  await refuseChanged(module, files);
  let exports: Record<string, unknown>;
  try {
    const names = [url, ...files.map(({ path }) => path)];
    exports = await importCached(names, () => import(url) as Promise<Record<string, unknown>>);
  } catch (cause) {
    const { moduleError } = await import('../code/module-error.ts');
    throw await moduleError(module, url, cause);
  } finally {
    post({ type: 'imported' });
  }
  await refuseChanged(module, files);
  const found = exports[name];
  if (typeof found !== 'function' || !isClass(found)) {
    throw new HandoffError(
      'FUNCTION_NOT_FOUND',
      `Module ${module} does not export a class ${name}. Pass an exported class to spawn().`,
      { module },
    );
  }
  const instance = new (found as new (...args: readonly unknown[]) => Instance)(...args.map(fromValueWire));
  if (snapshot !== undefined) await instance.restore?.(fromValueWire(snapshot));
  return instance;
}

async function refuseChanged(module: string, files: readonly FileMark[]): Promise<void> {
  const changed = firstChanged(files);
  if (changed === undefined) return;
  const { changedError } = await import('../code/module-error.ts');
  throw changedError(module, changed);
}

function isClass(fn: Function): boolean {
  return /^class\b/.test(Function.prototype.toString.call(fn));
}

/** Handles each message after all messages before it. */
function serve(instance: Instance): void {
  let last: Promise<void> = Promise.resolve();
  let received = 0;
  let unsaved = 0;
  const inTurn = (method: string, work: () => Promise<Reply>): void => {
    const id = ++received;
    last = last.then(work).then((reply) => answer(id, method, reply));
  };
  start.port.on('message', (message: ToActor) => {
    if ('close' in message) return inTurn('dispose', () => close(instance));
    const { method, args } = message;
    return inTurn(method, async () => {
      const reply = await run(instance, method, args);
      if (
        typeof instance.snapshot !== 'function' ||
        typeof instance.restore !== 'function' ||
        ++unsaved < start.snapshotInterval
      )
        return reply;
      unsaved = 0;
      try {
        const snapshot = toValueWire(await instance.snapshot());
        structuredClone(snapshot);
        return { ...reply, snapshot };
      } catch (cause) {
        // The method is done. Still report that its state cannot be saved: otherwise this shows only after a crash.
        return failed(
          new HandoffError('NOT_SERIALIZABLE', `snapshot() after ${method}() failed: ${messageOf(cause)}`, { cause }),
        );
      }
    });
  });
  start.port.on('messageerror', (cause) =>
    inTurn('', async () =>
      failed(
        new HandoffError(
          'NOT_SERIALIZABLE',
          `A message cannot be read in the thread of ${start.export}: ${cause.message}`,
          { cause },
        ),
      ),
    ),
  );
}

function answer(id: number, method: string, reply: Reply): void {
  try {
    start.port.postMessage({ id, reply } satisfies Answer);
  } catch (cause) {
    // a host object: only sending it shows that it cannot be sent
    start.port.postMessage({
      id,
      reply: failed(notSendable(method, messageOf(cause), cause)),
    } satisfies Answer);
  }
}

function failed(error: unknown): Reply {
  return { ok: false, error: toErrorWire(error) };
}

async function close(instance: Instance): Promise<Reply> {
  try {
    await instance[Symbol.asyncDispose]?.();
    instance[Symbol.dispose]?.();
    return { ok: true, value: { value: undefined } };
  } catch (error) {
    return failed(error);
  }
}

async function run(instance: Instance, method: string, args: readonly ValueWire[]): Promise<Reply> {
  try {
    const found = methodOf(instance, method);
    const value = await found.apply(instance, args.map(fromValueWire));
    return { ok: true, value: sendable(value, method) };
  } catch (error) {
    return failed(error);
  }
}

/** A method of its class or of a base class. Methods of `Object.prototype` do not count. */
function methodOf(instance: Instance, name: string): Method {
  const found = (instance as Record<string, unknown>)[name];
  if (typeof found === 'function' && name !== 'constructor' && !(name in Object.prototype)) return found as Method;
  const names = new Set<string>();
  for (
    let proto: unknown = Object.getPrototypeOf(instance);
    proto !== null && proto !== Object.prototype;
    proto = Object.getPrototypeOf(proto)
  ) {
    for (const each of Object.getOwnPropertyNames(proto)) if (each !== 'constructor') names.add(each);
  }
  throw new HandoffError(
    'FUNCTION_NOT_FOUND',
    `${start.export} has no method ${JSON.stringify(name)}; it has ${[...names].join(', ') || 'none'}.`,
    { module: start.module },
  );
}

function sendable(value: unknown, method: string): ValueWire {
  const obstacle = findObstacle(value);
  if (obstacle !== undefined) throw notSendable(method, `result${obstacle.path} is ${obstacle.what}`);
  return toValueWire(value);
}

function notSendable(method: string, why: string, cause?: unknown): HandoffError {
  return new HandoffError(
    'NOT_SERIALIZABLE',
    `The result of ${start.export}.${method}() cannot leave its thread: ${why}. Return plain data.`,
    cause === undefined ? {} : { cause },
  );
}
