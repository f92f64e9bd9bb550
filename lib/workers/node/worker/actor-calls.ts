/** Calls of actors by functions in this thread. They go through the main thread, which knows where the actors are. */
import { messageOf } from '../../../core/message-of.ts';
import type { AskOptions } from '../../actor/cell.ts';
import { askable, type Askable } from '../../actor/ref.ts';
import { type ErrorWire, fromErrorWire } from '../../../core/error-wire.ts';
import { HandoffError } from '../../../core/errors.ts';
import { fromValueWire, toValueWire, type ValueWire } from '../../store/value-wire.ts';
import { FromThread } from '../wire.ts';

export class ActorCalls {
  readonly #post: (message: unknown[]) => void;
  readonly #open = new Map<number, PromiseWithResolvers<unknown>>();
  #last = 0;

  constructor(post: (message: unknown[]) => void) {
    this.#post = post;
  }

  to<Instance>(name: string): Askable<Instance> {
    return askable<Instance>({
      ask: (method, args, options) => this.#ask(name, method, args, options),
      tell: (method, args) => this.#send(0, name, method, args, undefined),
    });
  }

  /** The main thread has answered. */
  answered(question: number, ok: boolean, value: unknown): void {
    const waiting = this.#open.get(question);
    this.#open.delete(question);
    if (!ok) return waiting?.reject(fromErrorWire(value as ErrorWire));
    try {
      waiting?.resolve(fromValueWire(value as ValueWire));
    } catch (error) {
      waiting?.reject(error);
    }
  }

  #ask(name: string, method: string, args: readonly unknown[], { timeout, signal }: AskOptions): Promise<unknown> {
    const question = ++this.#last;
    const waiting = Promise.withResolvers<unknown>();
    const aborted = (): HandoffError =>
      new HandoffError('ABORTED', `Asking actor ${name} for ${method}() was aborted.`, { cause: signal!.reason });
    if (signal?.aborted === true) return Promise.reject(aborted());
    const abort = (): void => {
      this.#open.delete(question);
      waiting.reject(aborted());
    };
    signal?.addEventListener('abort', abort, { once: true });
    this.#open.set(question, waiting);
    try {
      this.#send(question, name, method, args, timeout);
    } catch (error) {
      this.#open.delete(question);
      waiting.reject(error);
    }
    return waiting.promise.finally(() => signal?.removeEventListener('abort', abort));
  }

  #send(question: number, name: string, method: string, args: readonly unknown[], timeout: number | undefined): void {
    try {
      this.#post([FromThread.ask, question, name, method, args.map(toValueWire), timeout]);
    } catch (cause) {
      throw new HandoffError(
        'NOT_SERIALIZABLE',
        `The arguments of ${method}() cannot be sent to actor ${name}: ${messageOf(cause)}`,
        { cause },
      );
    }
  }
}
