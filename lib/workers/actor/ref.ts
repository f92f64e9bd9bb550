/** Actors as users see them: typed by their class. */
import { HandoffError } from '../../core/errors.ts';
import type { Exit } from '../supervision/child.ts';
import type { ActorCell, ActorDeath, AskOptions } from './cell.ts';

// `never` as parameters accepts every function.
type AnyFunction = (...args: never) => unknown;

/** The methods of an instance, each returning a promise of its result. */
export type Ask<Instance> = {
  readonly [Name in keyof Instance as Instance[Name] extends AnyFunction ? Name : never]: Instance[Name] extends (
    ...args: infer Args
  ) => infer Result
    ? (...args: Args) => Promise<Awaited<Result>>
    : never;
};

/** The methods of an instance, called without waiting for a result. */
export type Tell<Instance> = {
  readonly [Name in keyof Instance as Instance[Name] extends AnyFunction ? Name : never]: Instance[Name] extends (
    ...args: infer Args
  ) => unknown
    ? (...args: Args) => void
    : never;
};

/** The two ways to call an actor. */
export interface Askable<Instance> {
  /** Calls a method in the actor's thread, after all calls before it, and gives its result. */
  readonly ask: Ask<Instance>;
  /** Calls a method without waiting for its result. */
  readonly tell: Tell<Instance>;
  /**
   * The same actor, with a time limit or a signal for each request.
   *
   * @param options.timeout ms until a request fails with `ASK_TIMEOUT`; default: no limit
   * @throws `INVALID_OPTION` when `timeout` is no number of at least 0
   */
  with(options: AskOptions): Askable<Instance>;
}

/** An actor that `spawn` started. The reference stays valid when the actor restarts. */
export interface ActorRef<Instance> extends Askable<Instance> {
  readonly id: string;
  readonly name: string | undefined;
  /** The node it runs on. */
  readonly node: string;
  /** Resolves with the reason when the actor has ended for good. */
  readonly exited: Promise<Exit>;
  /**
   * Calls back at each death of its thread, and once more when the actor has ended for good.
   *
   * @returns a function that stops this
   */
  monitor(onDeath: (death: ActorDeath) => void): () => void;
  /** Ends each of the two actors when the other ends for good. */
  link(other: ActorRef<any>): void;
  /** Ends the actor: methods that have begun finish; waiting messages fail with `STOPPED`. */
  stop(): Promise<void>;
}

/** How messages reach an actor. */
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

/** An object on which every property is a method of that name. */
function methods(call: (method: string, args: readonly unknown[]) => unknown): object {
  const made = new Map<string, unknown>();
  return new Proxy(
    {},
    {
      get(_, name) {
        // An actor that is awaited or turned into JSON by mistake gets no message.
        if (typeof name === 'symbol' || name === 'then' || name === 'toJSON') return undefined;
        let method = made.get(name);
        if (method === undefined) made.set(name, (method = (...args: unknown[]) => call(name, args)));
        return method;
      },
    },
  );
}
