/**
 * Actors under one supervisor, and groups of them below it. What it holds is remembered, so that it can be started
 * again as a whole.
 */
import type { ChildSpec, Exit, Restart, Running, Strategy } from '../supervision/child.ts';
import type { Intensity } from '../supervision/restart.ts';
import { HandoffError } from '../../core/errors.ts';
import { Supervisor } from '../supervision/supervisor.ts';

/** An actor or a group: something that a group starts, and that ends for good at some time. */
export interface Member {
  readonly child: ChildSpec;
  /** It will not be started again. */
  end(exit: Exit): void;
}

export interface GroupOptions extends Partial<Intensity> {
  readonly id: string;
  readonly strategy: Strategy;
  readonly restart: Restart;
  readonly onRestart: (supervisor: string, child: string, exit: Exit) => void;
}

export class Group implements Member {
  /** Resolves when it has ended for good. */
  readonly exited: Promise<Exit>;
  readonly #exit: (exit: Exit) => void;
  readonly #options: GroupOptions;
  /** In the order they were started. */
  readonly #members = new Map<string, Member>();
  /** Those that have been started once; the others wait for their turn. */
  readonly #started = new WeakSet<Member>();
  #supervisor: Supervisor | undefined;
  /** Members are added and the whole is started one after the other. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: GroupOptions) {
    this.#options = options;
    const { promise, resolve } = Promise.withResolvers<Exit>();
    this.exited = promise;
    this.#exit = resolve;
  }

  get child(): ChildSpec {
    const { id, restart } = this.#options;
    return { id, restart, shutdownTimeout: Infinity, start: () => this.#inTurn(() => this.#start()) };
  }

  /**
   * Starts one more member.
   *
   * @throws what its start throws; `INVALID_OPTION` when there is one of its name; `STOPPED` when the group has ended
   *   or is ending
   */
  async add(member: Member): Promise<void> {
    const { id } = member.child;
    if (this.#members.has(id))
      throw new HandoffError('INVALID_OPTION', `There is already an actor or a group ${JSON.stringify(id)} here.`, {
        option: 'name',
      });
    this.#members.set(id, member);
    try {
      await this.#inTurn(async () => {
        if (this.#members.get(id) !== member)
          throw new HandoffError('STOPPED', `${id} was stopped before it was started.`);
        await this.#supervisor!.startChild(member.child);
        this.#started.add(member);
      });
    } catch (error) {
      if (this.#members.get(id) === member) this.#members.delete(id);
      member.end({ reason: 'error', error });
      throw error;
    }
  }

  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => {});
    return turn;
  }

  /** Ends one member. */
  async remove(id: string): Promise<void> {
    const member = this.#members.get(id);
    this.#members.delete(id);
    await this.#supervisor?.stopChild(id);
    member?.end({ reason: 'shutdown' });
  }

  end(exit: Exit): void {
    for (const member of this.#members.values()) member.end(exit);
    this.#members.clear();
    this.#exit(exit);
  }

  async #start(): Promise<Running> {
    const { id, strategy, maxRestarts, maxSeconds, onRestart } = this.#options;
    const supervisor = new Supervisor({
      strategy,
      ...(maxRestarts !== undefined && { maxRestarts }),
      ...(maxSeconds !== undefined && { maxSeconds }),
      onRestart: (child, exit) => onRestart(id, child, exit),
      onEnded: (child, exit) => {
        this.#members.get(child)?.end(exit);
        this.#members.delete(child);
      },
    });
    this.#supervisor = supervisor;
    try {
      const wanted = [...this.#members].filter(([, member]) => this.#started.has(member));
      for (const [, member] of wanted) await supervisor.startChild(member.child);
    } catch (error) {
      await supervisor.stop();
      throw error;
    }
    return supervisor;
  }
}
