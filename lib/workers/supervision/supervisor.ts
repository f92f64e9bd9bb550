/**
 * Starts children in order, restarts them when they end, and stops them in reverse order. The decisions are in
 * `restart.ts`.
 */
import { HandoffError } from '../../core/errors.ts';
import type { ChildSpec, ChildState, Exit, Running, Strategy, TreeNode } from './child.ts';
import { decide, defaultIntensity, type Intensity } from './restart.ts';

export interface SupervisorOptions extends Partial<Intensity> {
  /** Default `'one-for-one'`. */
  readonly strategy?: Strategy;
  /** Called after each restart. */
  readonly onRestart?: (child: string, exit: Exit) => void;
  /** Called when a child has ended and is not restarted. */
  readonly onEnded?: (child: string, exit: Exit) => void;
}

interface Child {
  readonly spec: ChildSpec;
  running: Running | undefined;
  /** Set while the child starts. */
  launch: { readonly givenUp: AbortController; readonly started: Promise<Running> } | undefined;
  state: ChildState;
  restarts: number;
}

const defaultShutdown = 5000;

export class Supervisor implements Running {
  readonly exited: Promise<Exit>;
  readonly #exit: (exit: Exit) => void;
  readonly #strategy: Strategy;
  readonly #intensity: Intensity;
  readonly #onRestart: (child: string, exit: Exit) => void;
  readonly #onEnded: (child: string, exit: Exit) => void;
  readonly #children = new Map<string, Child>();
  #history: readonly number[] = [];
  #stopping: Promise<void> | undefined;
  /** Starts under way. A child that is no longer wanted is stopped as soon as its start ends. */
  readonly #launching = new Set<Promise<Running>>();
  /** Restarts run one after another, so that two exits at the same time do not interleave. */
  #work: Promise<void> = Promise.resolve();

  constructor({
    strategy = 'one-for-one',
    onRestart = () => {},
    onEnded = () => {},
    maxRestarts,
    maxSeconds,
  }: SupervisorOptions) {
    const { promise, resolve } = Promise.withResolvers<Exit>();
    this.exited = promise;
    this.#exit = resolve;
    this.#strategy = strategy;
    this.#onRestart = onRestart;
    this.#onEnded = onEnded;
    this.#intensity = {
      maxRestarts: maxRestarts ?? defaultIntensity.maxRestarts,
      maxSeconds: maxSeconds ?? defaultIntensity.maxSeconds,
    };
  }

  /**
   * Starts a supervisor and its children, one after the other. If one cannot start, those before it are stopped.
   *
   * @throws what the child's `start` throws
   */
  static async start(options: SupervisorOptions, specs: readonly ChildSpec[] = []): Promise<Supervisor> {
    const supervisor = new Supervisor(options);
    try {
      for (const spec of specs) await supervisor.startChild(spec);
    } catch (error) {
      await supervisor.stop();
      throw error;
    }
    return supervisor;
  }

  /**
   * Starts one more child, after all others.
   *
   * @throws what its `start` throws; `STOPPED` when this supervisor is stopping
   */
  async startChild(spec: ChildSpec): Promise<Running> {
    if (this.#stopping !== undefined)
      throw new HandoffError('STOPPED', `Cannot start ${spec.id}: its supervisor is stopping.`);
    if (this.#children.has(spec.id)) throw new Error(`a child ${spec.id} already exists`);
    const child: Child = { spec, running: undefined, launch: undefined, state: 'starting', restarts: 0 };
    this.#children.set(spec.id, child);
    try {
      return await this.#launch(child);
    } catch (error) {
      this.#children.delete(spec.id);
      throw error;
    }
  }

  /** Stops one child for good. */
  async stopChild(id: string): Promise<void> {
    const child = this.#children.get(id);
    if (child === undefined) return;
    this.#children.delete(id);
    await this.#halt(child);
  }

  /** Whether this supervisor is stopping or has stopped. */
  get stopping(): boolean {
    return this.#stopping !== undefined;
  }

  /** Stops all children, last first. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stopAll({ reason: 'shutdown' });
    return this.#stopping;
  }

  /** The children, for the supervision tree. */
  inspect(): Omit<TreeNode, 'id' | 'restarts' | 'state'> {
    return {
      kind: 'supervisor',
      strategy: this.#strategy,
      children: [...this.#children.values()].map(({ spec, running, state, restarts }) => ({
        id: spec.id,
        state,
        restarts,
        ...(running?.inspect?.() ?? { kind: 'worker' as const }),
      })),
    };
  }

  #launch(child: Child): Promise<Running> {
    const givenUp = new AbortController();
    const started = this.#startOne(child, givenUp.signal);
    const launch = { givenUp, started };
    child.launch = launch;
    this.#launching.add(started);
    started
      .catch(() => {})
      .finally(() => {
        this.#launching.delete(started);
        if (child.launch === launch) child.launch = undefined;
      });
    return started;
  }

  async #startOne(child: Child, givenUp: AbortSignal): Promise<Running> {
    const running = await child.spec.start(givenUp);
    // Stopped while it was starting: only this code still holds it, so it must stop it.
    if (givenUp.aborted || this.#stopping !== undefined || this.#children.get(child.spec.id) !== child) {
      await withTimeout(running.stop(), child.spec.shutdownTimeout ?? defaultShutdown);
      throw new HandoffError('STOPPED', `${child.spec.id} was stopped while it was starting.`);
    }
    child.running = running;
    child.state = 'running';
    void running.exited.then((exit) => {
      if (child.running === running) this.#onExit(child, exit);
    });
    return running;
  }

  #onExit(child: Child, exit: Exit): void {
    if (this.#stopping !== undefined || this.#children.get(child.spec.id) !== child || child.state !== 'running')
      return;
    child.running = undefined;
    const ids = [...this.#children.keys()];
    const { decision, history } = decide(
      this.#strategy,
      this.#intensity,
      ids,
      this.#history,
      { id: child.spec.id, restart: child.spec.restart ?? 'permanent' },
      exit,
      performance.now(),
    );
    this.#history = history;
    if (decision.action === 'remove') {
      this.#children.delete(child.spec.id);
      this.#onEnded(child.spec.id, exit);
    } else if (decision.action === 'escalate') this.#giveUp(exit);
    else {
      child.state = 'restarting';
      this.#work = this.#work.then(() => this.#restart(decision.ids, child, exit));
    }
  }

  async #restart(ids: readonly string[], cause: Child, exit: Exit): Promise<void> {
    // A child that is starting right now needs no restart.
    const children = ids
      .map((id) => this.#children.get(id))
      .filter((child) => child !== undefined && child.launch === undefined) as Child[];
    for (const child of children.toReversed()) {
      await this.#halt(child);
      child.state = 'restarting';
    }
    for (const child of children) {
      if (this.#stopping !== undefined || this.#children.get(child.spec.id) !== child) continue;
      child.restarts++;
      try {
        await this.#launch(child);
        if (child === cause) this.#onRestart(cause.spec.id, exit);
      } catch (error) {
        // Count this as another exit, so that a child that cannot start ends in escalation, not in a loop.
        child.state = 'running';
        this.#onExit(child, { reason: 'error', error });
      }
    }
  }

  #giveUp(exit: Exit): void {
    this.#stopping ??= this.#stopAll({ reason: 'error', error: exit.error });
  }

  async #stopAll(exit: Exit): Promise<void> {
    for (const child of [...this.#children.values()].toReversed()) await this.#halt(child);
    await this.#work;
    await Promise.allSettled(this.#launching);
    this.#exit(exit);
  }

  async #halt(child: Child): Promise<void> {
    if (child.launch !== undefined) {
      child.state = 'stopping';
      child.launch.givenUp.abort();
      await child.launch.started.catch(() => {});
    }
    const { running } = child;
    child.running = undefined;
    if (running !== undefined) {
      child.state = 'stopping';
      await withTimeout(running.stop(), child.spec.shutdownTimeout ?? defaultShutdown);
    }
    child.state = 'stopped';
  }
}

/** Waits until a child has stopped, or until the timeout. Ignores errors. */
async function withTimeout(stopped: Promise<void>, ms: number): Promise<void> {
  if (ms === Infinity) return void (await stopped.catch(() => {}));
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<void>((resolve) => (timer = setTimeout(resolve, ms)));
  await Promise.race([stopped.catch(() => {}), limit]);
  clearTimeout(timer);
}
