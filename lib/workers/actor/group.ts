/**
 * Actors and nested groups under one supervisor. The group remembers its members, so that it can restart as a whole.
 */
import type { ChildSpec, Exit, Restart, Running, Strategy } from '../supervision/child.ts';
import type { Intensity } from '../supervision/restart.ts';
import { HandoffError } from '../../core/errors.ts';
import { Supervisor } from '../supervision/supervisor.ts';

/** An actor or a group: a group starts it, and it ends for good at some time. */
export interface Member {
  readonly child: ChildSpec;
  /** It is not restarted. */
  end(exit: Exit): void;
}

export interface GroupOptions extends Partial<Intensity> {
  readonly id: string;
  readonly strategy: Strategy;
  readonly restart: Restart;
  readonly onRestart: (supervisor: string, child: string, exit: Exit) => void;
}

export class Group implements Member {
  /** Resolves when the group has ended for good. */
  readonly exited: Promise<Exit>;
  readonly #exit: (exit: Exit) => void;
  readonly #options: GroupOptions;
  /** In start order. */
  readonly #members = new Map<string, Member>();
  /** Members that have started once; the others are still waiting for their first start. */
  readonly #started = new WeakSet<Member>();
  #supervisor: Supervisor | undefined;
  /** Additions and restarts of the whole group run one after another. */
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
   * @throws what its start throws; `INVALID_OPTION` when the name is taken; `STOPPED` when the group has ended or is
   *   ending
   */
  async add(member: Member): Promise<void> {
    const { id } = member.child;
    if (this.#members.has(id))
      throw new HandoffError(
        'INVALID_OPTION',
        `Name ${JSON.stringify(id)} is taken by another actor or group here. Choose another name.`,
        {
          option: 'name',
        },
      );
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
