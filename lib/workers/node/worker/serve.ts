/** The entry of a thread: one long-lived task that serves its ports until the node stops it. */
import { messageOf } from '../../../core/message-of.ts';
import type { MessagePort } from 'node:worker_threads';
import { expose } from 'comlink';
import { endpointOf } from '../../actor/endpoint.ts';
import { toErrorWire } from '../../../core/error-wire.ts';
import { HandoffError } from '../../../core/errors.ts';
import type { FileMark } from '../../code/file-mark.ts';
import { collectFor } from '../../store/shared-memory.ts';
import {
  type CodeWire,
  type Control,
  FromThread,
  type ModuleDescription,
  type PreloadedModule,
  type ServeOptions,
  type SourceDescription,
  ToThread,
} from '../wire.ts';
import { contextSlot } from './context.ts';
import { Executor } from './executor.ts';
import type { Imports } from './imports.ts';
import { warmUp } from './invoke.ts';
import { OutputCapture, redirectPrints } from './output-capture.ts';

/** Piscina runs this once per thread. Resolves when the node has stopped the thread. */
export function serve(options: ServeOptions): Promise<void> {
  const { port, control, node, cursors, programs, reportFrom, ending, concurrency, output, memoryBudget, preload } =
    options;
  const { promise, resolve } = Promise.withResolvers<void>();
  const prints = new OutputCapture(
    () => executor.running(),
    (by, text) => port.postMessage([FromThread.print, ...by, text]),
  );
  const executor: Executor = new Executor(
    { node, cursors, programs, reportFrom, ending, prints, concurrency },
    (message, transfer) => port.postMessage(message, transfer),
  );
  // Node ends the thread after this event; here the error still has its class.
  const onCrash = (error: unknown): void =>
    port.postMessage([FromThread.crashing, toErrorWire(error), executor.culprit]);
  const onExit = (): void => {
    executor.flush();
    if (executor.culprit !== undefined) port.postMessage([FromThread.crashing, undefined, executor.culprit]);
  };
  process.on('uncaughtExceptionMonitor', onCrash);
  process.on('exit', onExit);
  if (output !== 'inherit') redirectPrints(output === 'events' ? prints : undefined);
  if (memoryBudget !== undefined) collectFor(memoryBudget);
  warmUp();
  const receive = (message: unknown[]): void => {
    switch (message[0]) {
      case ToThread.batch:
        return executor.accept(message);
      case ToThread.define:
        return executor.codes.define(
          message[1] as number,
          message[2] as CodeWire,
          message[3] as readonly FileMark[] | undefined,
        );
      case ToThread.connect:
        return executor.gang.connect(message[1] as number, message[2] as MessagePort);
      case ToThread.many:
        for (const each of message[1] as unknown[][]) receive(each);
        return;
      case ToThread.answer:
        return executor.actorCalls.answered(message[1] as number, message[2] as boolean, message[3]);
      case ToThread.cancel:
        prints.flush(); // the thread may end soon
        return executor.cancel(message[1] as number, message[2] as 'aborted' | 'timeout');
      case ToThread.stop:
        process.off('uncaughtExceptionMonitor', onCrash);
        process.off('exit', onExit);
        port.close();
        control.close();
        executor.gang.close();
        return resolve();
    }
  };
  port.on('message', receive);
  // The lost message may be a batch, for which the node would wait forever. So let the thread crash.
  port.on('messageerror', (cause) => {
    throw new HandoffError(
      'NOT_SERIALIZABLE',
      `A worker thread cannot read a batch that it was sent: ${messageOf(cause)}. Pass plain data as arguments.`,
      { cause },
    );
  });
  expose(
    { describe: (url, files) => describe(executor.codes.imports, url, files), freeVariables } satisfies Control,
    endpointOf(control),
  );
  const ready = (): void => port.postMessage([FromThread.ready]);
  if (preload.length === 0) ready();
  else {
    // The rejection of this task would leave the thread waiting for another task, with its ports open.
    const end = (error: unknown): void => {
      onCrash(error);
      process.exit(1);
    };
    void importAll(executor.codes.imports, preload).then(ready, end);
  }
  return promise;
}

async function importAll(imports: Imports, modules: readonly PreloadedModule[]): Promise<void> {
  for (const { url, files } of modules) {
    imports.expect(url, files);
    await imports.load(url);
  }
}

async function describe(imports: Imports, url: string, files: readonly FileMark[]): Promise<ModuleDescription> {
  imports.expect(url, files);
  try {
    const exports = await imports.load(url);
    const names = Object.keys(exports);
    return {
      ok: true,
      functions: names.filter((name) => typeof exports[name] === 'function' && !isClass(exports[name])),
      classes: names.filter((name) => isClass(exports[name])),
      others: names.filter((name) => typeof exports[name] !== 'function'),
      usesContext: contextSlot.used,
      hidden: hiddenIn(exports),
      isCommonJs: 'module.exports' in exports || url.endsWith('.cjs'),
    };
  } catch (error) {
    return { ok: false, error: toErrorWire(error) };
  }
}

/** Whether a value is a class, which cannot be called. One that a compiler made a function of can be called. */
function isClass(value: unknown): boolean {
  return typeof value === 'function' && /^class\b/.test(Function.prototype.toString.call(value));
}

/** Functions of the default export that are not exports themselves. Reads no getters. */
function hiddenIn(exports: Record<string, unknown>): string[] {
  const whole = exports['default'];
  if ((typeof whole !== 'object' && typeof whole !== 'function') || whole === null) return [];
  return Object.entries(Object.getOwnPropertyDescriptors(whole))
    .filter(([name, { value }]) => typeof value === 'function' && !(name in exports))
    .map(([name]) => name);
}

async function freeVariables(source: string): Promise<SourceDescription> {
  try {
    const analysis = await import('./free-variables.ts');
    return { ok: true, free: analysis.freeVariables(source) };
  } catch (error) {
    return { ok: false, error: toErrorWire(error) };
  }
}
