/** What a supervisor starts, watches and stops. */

/** Why something ended. */
export interface Exit {
  /** `'normal'`: it was done; `'shutdown'`: it was told to stop; `'error'`: it failed. */
  readonly reason: 'normal' | 'shutdown' | 'error';
  readonly error?: unknown;
  /** It was ended for good cause, so that its restart does not count against the supervisor's limit. */
  readonly excused?: boolean;
}

/** When a child is started again: always, only after an error, or never. */
export type Restart = 'permanent' | 'transient' | 'temporary';

/** A child as its supervisor knows how to start it. */
export interface ChildSpec {
  /** Unique among its siblings. */
  readonly id: string;
  /**
   * Starts it; resolves when it is ready for work. Called again for every restart.
   *
   * @param givenUp aborted when nobody wants it any more: what can be ended at once, should be
   */
  readonly start: (givenUp: AbortSignal) => Running | Promise<Running>;
  /** Default `'permanent'`. */
  readonly restart?: Restart;
  /** ms it may take to stop before it is given up. Default 5000. */
  readonly shutdownTimeout?: number;
}

/** A child that runs. */
export interface Running {
  /** Resolves once, when it has ended; never rejects. */
  readonly exited: Promise<Exit>;
  /** Ends it; resolves when nothing of it is left. */
  stop(): Promise<void>;
  /** What the tree shows below it, and of it. */
  inspect?(): Omit<TreeNode, 'id' | 'restarts' | 'state'> | undefined;
}

export type ChildState = 'starting' | 'running' | 'restarting' | 'stopping' | 'stopped';

/** A supervision tree as data. */
export interface TreeNode {
  readonly id: string;
  readonly kind: 'supervisor' | 'worker';
  readonly state: ChildState;
  /** How often it was started again. */
  readonly restarts: number;
  readonly strategy?: Strategy;
  /** Facts about it, by name. */
  readonly info?: Readonly<Record<string, unknown>>;
  readonly children?: readonly TreeNode[];
}

/** Who else is restarted when a child ends: nobody, all its siblings, or those started after it. */
export type Strategy = 'one-for-one' | 'one-for-all' | 'rest-for-one';

/** A child that lives as long as its supervisor and never ends by itself: state with a way to put it away. */
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
