/** What a supervisor starts, watches and stops. */

/** Why something ended. */
export interface Exit {
  /** `'normal'`: it finished; `'shutdown'`: it was stopped; `'error'`: it failed. */
  readonly reason: 'normal' | 'shutdown' | 'error';
  readonly error?: unknown;
  /** The end was intended or the user's fault, so the restart does not count against the supervisor's limit. */
  readonly excused?: boolean;
}

/** When the supervisor restarts a child: always, only after an error, or never. */
export type Restart = 'permanent' | 'transient' | 'temporary';

/** How a supervisor starts a child. */
export interface ChildSpec {
  /** Unique among its siblings. */
  readonly id: string;
  /**
   * Starts the child; resolves when it is ready for work. Called again for every restart.
   *
   * @param givenUp aborts when the child is no longer wanted; a start under way should then end at once
   */
  readonly start: (givenUp: AbortSignal) => Running | Promise<Running>;
  /** Default `'permanent'`. */
  readonly restart?: Restart;
  /** ms the child may take to stop; after that the supervisor stops waiting. Default 5000. */
  readonly shutdownTimeout?: number;
}

/** A running child. */
export interface Running {
  /** Resolves once, when the child has ended; never rejects. */
  readonly exited: Promise<Exit>;
  /** Ends the child; resolves when nothing of it is left. */
  stop(): Promise<void>;
  /** The child and what is below it, for the supervision tree. */
  inspect?(): Omit<TreeNode, 'id' | 'restarts' | 'state'> | undefined;
}

export type ChildState = 'starting' | 'running' | 'restarting' | 'stopping' | 'stopped';

/** A supervision tree as data. */
export interface TreeNode {
  readonly id: string;
  readonly kind: 'supervisor' | 'worker';
  readonly state: ChildState;
  /** How many times the child was restarted. */
  readonly restarts: number;
  readonly strategy?: Strategy;
  /** Details by name. */
  readonly info?: Readonly<Record<string, unknown>>;
  readonly children?: readonly TreeNode[];
}

/** Which children restart when one ends: only that one, all siblings, or also those started after it. */
export type Strategy = 'one-for-one' | 'one-for-all' | 'rest-for-one';

/** A child that never ends by itself: state that lives as long as its supervisor, with a function that closes it. */
export function resident(stop: () => void | Promise<void>, inspect?: Running['inspect']): Running {
  const { promise, resolve } = Promise.withResolvers<Exit>();
  return {
    exited: promise,
    async stop() {
      await stop();
      resolve({ reason: 'shutdown' });
    },
    ...(inspect !== undefined && { inspect }),
  };
}
