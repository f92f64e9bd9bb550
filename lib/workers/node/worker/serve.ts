/** A worker thread's entry: one long-lived task that listens on its ports until it is told to stop. */
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
  FromWorker,
  type ModuleDescription,
  type ServeOptions,
  type SourceDescription,
  ToWorker,
} from '../wire.ts';
import { contextSlot } from './context.ts';
import { Executor } from './executor.ts';
import type { Imports } from './imports.ts';
import { warmUp } from './invoke.ts';
import { Prints, redirectPrints } from './output-capture.ts';

/** What Piscina runs, once per thread. Resolves when the worker has been told to stop. */
export function serve({ port, control, node, cursors, programs, output, memoryBudget }: ServeOptions): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const prints = new Prints(
    () => executor.running(),
    (by, text) => port.postMessage([FromWorker.print, ...by, text]),
  );
  const executor: Executor = new Executor({ node, cursors, programs, prints }, (message, transfer) =>
    port.postMessage(message, transfer),
  );
  // Node ends the thread after this; here the error still has its class.
  const onCrash = (error: unknown): void => port.postMessage([FromWorker.crashing, toErrorWire(error)]);
  process.on('uncaughtExceptionMonitor', onCrash);
  if (output !== 'inherit') redirectPrints(output === 'events' ? prints : undefined);
  if (memoryBudget !== undefined) collectFor(memoryBudget);
  warmUp();
  port.on('message', (message: unknown[]) => {
    switch (message[0]) {
      case ToWorker.batch:
        return executor.accept(message);
      case ToWorker.define:
        return executor.codes.define(
          message[1] as number,
          message[2] as CodeWire,
          message[3] as readonly FileMark[] | undefined,
        );
      case ToWorker.peer:
        return executor.peers.connect(message[1] as number, message[2] as MessagePort);
      case ToWorker.answer:
        return executor.questions.answered(message[1] as number, message[2] as boolean, message[3]);
      case ToWorker.cancel:
        prints.flush(); // the thread may be ended soon
        return executor.cancel(message[1] as number, message[2] as 'aborted' | 'timeout');
      case ToWorker.stop:
        process.off('uncaughtExceptionMonitor', onCrash);
        port.close();
        control.close();
        executor.peers.close();
        return resolve();
    }
  });
  // What cannot be read may be a batch, of which nobody would ever hear again: the node must see that this thread is no
  // good.
  port.on('messageerror', (cause) => {
    throw new HandoffError(
      'NOT_SERIALIZABLE',
      `A worker thread was sent what it cannot read: ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause },
    );
  });
  expose(
    { describe: (url, files) => describe(executor.codes.imports, url, files), freeVariables } satisfies Control,
    endpointOf(control),
  );
  port.postMessage([FromWorker.ready]);
  return promise;
}

async function describe(imports: Imports, url: string, files: readonly FileMark[]): Promise<ModuleDescription> {
  imports.expect(url, files);
  try {
    const exports = await imports.load(url);
    const names = Object.keys(exports);
    return {
      ok: true,
      functions: names.filter((name) => typeof exports[name] === 'function'),
      others: names.filter((name) => typeof exports[name] !== 'function'),
      usesContext: contextSlot.used,
      hidden: hiddenIn(exports),
      isCommonJs: 'module.exports' in exports || url.endsWith('.cjs'),
    };
  } catch (error) {
    return { ok: false, error: toErrorWire(error) };
  }
}

/** Functions of the default export that are no exports themselves. Reads no getters. */
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
