/** Actors under one supervisor, and groups of them below it. What it holds is remembered, so that it can be started again as a whole. */
import type { ChildSpec, Exit, Restart, Running, Strategy } from '../child.ts';
import type { Intensity } from '../restart.ts';
import { Supervisor } from '../supervisor.ts';

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
  #supervisor: Supervisor | undefined;

  constructor(options: GroupOptions) {
    this.#options = options;
    const { promise, resolve } = Promise.withResolvers<Exit>();
    this.exited = promise;
    this.#exit = resolve;
  }

  get child(): ChildSpec {
    const { id, restart } = this.#options;
    return { id, restart, shutdown: Infinity, start: () => this.#start() };
  }

  /**
   * Starts one more member.
   *
   * @throws what its start throws; `STOPPED` when the group has ended or is ending
   */
  async add(member: Member): Promise<void> {
    const { id } = member.child;
    this.#members.set(id, member);
    try {
      await this.#supervisor!.startChild(member.child);
    } catch (error) {
      this.#members.delete(id);
      member.end({ reason: 'error', error });
      throw error;
    }
  }

  /** Ends one member. */
  async remove(id: string): Promise<void> {
    const member = this.#members.get(id);
    await this.#supervisor?.stopChild(id);
    this.#members.delete(id);
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
      strategy, ...(maxRestarts !== undefined && { maxRestarts }), ...(maxSeconds !== undefined && { maxSeconds }),
      onRestart: (child, exit) => onRestart(id, child, exit),
      onEnded: (child, exit) => {
        this.#members.get(child)?.end(exit);
        this.#members.delete(child);
      },
    });
    this.#supervisor = supervisor;
    try {
      for (const member of this.#members.values()) await supervisor.startChild(member.child);
    } catch (error) {
      await supervisor.stop();
      throw error;
    }
    return supervisor;
  }
}
