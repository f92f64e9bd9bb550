/** Actors as their users hold them: typed from the class. */
import { HandoffError } from '../../core/errors.ts';
import type { Exit } from '../supervision/child.ts';
import type { ActorCell, ActorDeath, AskOptions } from './cell.ts';

// `never` as parameters accepts every function.
type AnyFunction = (...args: never) => unknown;

/** An instance's methods, to be asked for answers. What a method promises is what asking it promises. */
export type Ask<Instance> = {
  readonly [Name in keyof Instance as Instance[Name] extends AnyFunction ? Name : never]: Instance[Name] extends (
    ...args: infer Args
  ) => infer Result
    ? (...args: Args) => Promise<Awaited<Result>>
    : never;
};

/** An instance's methods, to be told without waiting. */
export type Tell<Instance> = {
  readonly [Name in keyof Instance as Instance[Name] extends AnyFunction ? Name : never]: Instance[Name] extends (
    ...args: infer Args
  ) => unknown
    ? (...args: Args) => void
    : never;
};

/** What an actor answers to, wherever one has it from. */
export interface Askable<Instance> {
  /** Calls a method in the actor's thread, when those asked for before are done, and gives what it gives. */
  readonly ask: Ask<Instance>;
  /** The same without an answer. */
  readonly tell: Tell<Instance>;
  /** The same actor, asked with a time limit or a signal. */
  with(options: AskOptions): Askable<Instance>;
}

/** An actor that `spawn` started. It stays the same when the actor's thread is started again. */
export interface ActorRef<Instance> extends Askable<Instance> {
  readonly id: string;
  readonly name: string | undefined;
  /** The node it is on. */
  readonly node: string;
  /** Resolves when it has ended for good, with why. */
  readonly exited: Promise<Exit>;
  /** Calls back at each death of its thread, and once more when it has ended for good; gives what stops that. */
  monitor(onDeath: (death: ActorDeath) => void): () => void;
  /** Ends this actor when the other ends for good, and the other when this does. */
  link(other: ActorRef<any>): void;
  /** Ends it: what it has begun is finished, what waits is rejected with `STOPPED`. */
  stop(): Promise<void>;
}

/** How messages get to an actor. */
export interface Route {
  ask(method: string, args: readonly unknown[], options: AskOptions): Promise<unknown>;
  tell(method: string, args: readonly unknown[]): void;
}

export function askable<Instance>(route: Route, options: AskOptions = {}): Askable<Instance> {
  return {
    ask: methods((method, args) => route.ask(method, args, options)) as Ask<Instance>,
    tell: methods((method, args) => route.tell(method, args)) as Tell<Instance>,
    with: (more) => askable(route, { ...options, ...checked(more) }),
  };
}

function checked(options: AskOptions): AskOptions {
  const { timeout } = options;
  if (timeout === undefined || (typeof timeout === 'number' && timeout >= 0)) return options;
  throw new HandoffError(
    'INVALID_OPTION',
    `with: option timeout must be ms, a number of at least 0, got ${String(timeout)}.`,
    { option: 'timeout' },
  );
}

export function createRef<Instance>(cell: ActorCell, stop: () => Promise<void>): ActorRef<Instance> {
  const { id, name, node } = cell.options;
  return {
    ...askable<Instance>(cell),
    id,
    name,
    node,
    exited: cell.exited,
    monitor: (onDeath) => cell.monitor(onDeath),
    link: (other) => {
      void other.exited.then(stop);
      void cell.exited.then(() => other.stop());
    },
    stop,
  };
}

/** An object whose every property is a method of that name. */
function methods(call: (method: string, args: readonly unknown[]) => unknown): object {
  const made = new Map<string, unknown>();
  return new Proxy(
    {},
    {
      get(_, name) {
        // `then` stays undefined: what is awaited by mistake must not look like a promise.
        if (typeof name === 'symbol' || name === 'then') return undefined;
        let method = made.get(name);
        if (method === undefined) made.set(name, (method = (...args: unknown[]) => call(name, args)));
        return method;
      },
    },
  );
}
