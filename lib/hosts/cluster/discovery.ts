/**
 * Who is dialled when: those to join, for as long as this host is there; members that others tell of, once by that with
 * the smaller id; and members that were lost without a good-bye.
 */
import { HandoffError } from '../../core/errors.ts';
import type { Channel } from '../transport/transport.ts';
import { Dialler } from './reconnector.ts';

export interface JoiningOptions {
  /** Addresses of members. */
  readonly join: readonly string[];
  /** ms that are waited for them. */
  readonly joinTimeout: number;
}

export interface JoiningParts {
  /** Of this host. */
  readonly id: string;
  dial(address: string): Promise<Channel>;
  reached(channel: Channel): void;
  isMember(id: string): boolean;
  /** Whether a member has said what it is. */
  isUp(id: string): boolean;
  /** Whether some member has not yet. */
  isExpecting(): boolean;
  /** Whether others can dial this host. */
  canBeDialled(): boolean;
  hasNodes(): boolean;
}

// A member that was lost is looked for so long, in ms; who is to be joined, always.
const patience = 600_000;
// Who has the larger id waits so long, in ms, before it dials too.
const politeness = 500;

export class Joining {
  readonly #options: JoiningOptions;
  readonly #parts: JoiningParts;
  readonly #dialler: Dialler;
  /** The member that answers at an address that was given as one to join. */
  readonly #seeds = new Map<string, string | undefined>();
  readonly #joined = Promise.withResolvers<void>();
  #lastError: unknown;

  constructor(options: JoiningOptions, parts: JoiningParts) {
    this.#options = options;
    this.#parts = parts;
    this.#dialler = new Dialler({
      dial: (address) => parts.dial(address),
      reached: (channel, address) => {
        if (channel.peer.id === parts.id) return this.#isSelf(channel, address);
        if (this.#seeds.has(address)) this.#seeds.set(address, channel.peer.id);
        parts.reached(channel);
      },
      failed: (address, error, isFinal) => {
        this.#lastError = error;
        if (this.#seeds.has(address) && isFinal) this.refuse(error);
        else this.settle();
      },
    });
    this.#joined.promise.catch(() => {}); // nobody may be waiting
  }

  start(): void {
    for (const address of this.#options.join) {
      this.#seeds.set(address, undefined);
      this.#dialler.reach(address, Infinity);
    }
  }

  /** Resolves when one of those to join is there, and all that it knows. */
  async joined(): Promise<void> {
    const { join, joinTimeout } = this.#options;
    if (join.length === 0) return;
    const timer = setTimeout(
      () => (this.#isSeeded ? this.#joined.resolve() : this.refuse(this.#unanswered(join, joinTimeout))),
      joinTimeout,
    );
    try {
      await this.#joined.promise;
    } catch (error) {
      // Who has nodes can wait for company.
      if (!(error instanceof HandoffError && error.code === 'NODE_DOWN' && this.#parts.hasNodes())) throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  #unanswered(join: readonly string[], joinTimeout: number): HandoffError {
    const why =
      this.#lastError instanceof Error ? ` The last attempt: ${this.#lastError.message.replace(/[^.?]$/, '$&.')}` : '';
    return new HandoffError('NODE_DOWN', `None of ${join.join(', ')} answered within ${joinTimeout} ms.${why}`, {
      cause: this.#lastError,
    });
  }

  /** One of those to join is this very host. */
  #isSelf(channel: Channel, address: string): void {
    channel.close();
    this.#seeds.delete(address);
    if (this.#seeds.size === 0) this.#joined.resolve();
  }

  /** It cannot join. */
  refuse(error: unknown): void {
    this.#joined.reject(error);
  }

  get #isSeeded(): boolean {
    return [...this.#seeds.values()].some((id) => id !== undefined && this.#parts.isUp(id));
  }

  /** Somebody has come, or gone. */
  settle(): void {
    if (this.#isSeeded && !this.#parts.isExpecting() && !this.#dialler.busy([...this.#seeds.keys()]))
      this.#joined.resolve();
  }

  /** @param members `id address` of each that some member knows */
  learn(members: readonly string[]): void {
    for (const each of members) {
      const [id, address] = each.split(' ') as [string, string | undefined];
      if (id === this.#parts.id || address === undefined || this.#parts.isMember(id)) continue;
      this.#dialler.reach(address, patience, !this.#parts.canBeDialled() || this.#parts.id < id ? 0 : politeness);
    }
  }

  /** The address at which a member was joined. */
  addressOf(member: string): string | undefined {
    return [...this.#seeds].find(([, id]) => id === member)?.[0];
  }

  /** A member is at an address already. */
  forget(address: string): void {
    this.#dialler.forget(address);
  }

  /** A member is gone. `error`: it did not say good-bye. */
  left(member: string, address: string | undefined, error: unknown): void {
    this.settle();
    for (const [seed, id] of this.#seeds) {
      if (id !== member) continue;
      this.#seeds.set(seed, undefined);
      this.#dialler.reach(seed, Infinity, politeness, true);
    }
    if (error !== undefined && address !== undefined) this.#dialler.reach(address, patience, politeness, true);
  }

  stop(): void {
    this.#dialler.stop();
  }
}
