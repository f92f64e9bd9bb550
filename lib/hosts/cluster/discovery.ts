/**
 * When to dial which host: the hosts to join, for as long as this host runs; hosts that others announce, once, by the
 * host with the smaller id; and hosts that disconnected without a goodbye. Where the transport finds hosts itself, they
 * are treated like announced ones.
 */
import { HandoffError } from '../../core/errors.ts';
import type { Channel } from '../transport/transport.ts';
import { Reconnector } from './reconnector.ts';

export interface DiscoveryOptions {
  /** Addresses of hosts to join. */
  readonly join: readonly string[];
  /** ms to wait for them. */
  readonly joinTimeout: number;
}

export interface DiscoveryParts {
  /** The id of this host. */
  readonly id: string;
  dial(address: string): Promise<Channel>;
  reached(channel: Channel): void;
  isConnected(id: string): boolean;
  /** Whether a connected host has sent its hello. */
  isUp(id: string): boolean;
  /** Whether some connected host has not yet sent its hello. */
  isExpecting(): boolean;
  /** Whether others can dial this host. */
  canBeDialled(): boolean;
  hasNodes(): boolean;
  /** Whether some connected host has sent its hello. */
  isAnyUp(): boolean;
  /** Finds hosts without addresses to join: see `Transport`. */
  readonly discover: ((found: (host: string) => void) => Promise<boolean>) | undefined;
}

// ms to keep dialling a lost host. Hosts to join are dialled forever.
const maxDialMs = 600_000;
// ms that the host with the larger id waits before it dials too.
const dialDelayMs = 500;

export class Discovery {
  readonly #options: DiscoveryOptions;
  readonly #parts: DiscoveryParts;
  readonly #dialler: Reconnector;
  /** The host that answers at each address to join. */
  readonly #seeds = new Map<string, string | undefined>();
  readonly #joined = Promise.withResolvers<void>();
  #lastError: unknown;

  constructor(options: DiscoveryOptions, parts: DiscoveryParts) {
    this.#options = options;
    this.#parts = parts;
    this.#dialler = new Reconnector({
      dial: (address) => parts.dial(address),
      reached: (channel, address) => {
        if (channel.peer.id === parts.id) return this.#isSelf(channel, address);
        if (this.#seeds.has(address)) this.#seeds.set(address, channel.peer.id);
        parts.reached(channel);
      },
      failed: (address, error, isFinal) => {
        this.#lastError = error;
        if (isFinal && (this.#seeds.has(address) || this.#isRefusedByAll)) this.refuse(error);
        else this.settle();
      },
    });
    this.#joined.promise.catch(() => {}); // the caller may not await it
  }

  start(): void {
    for (const address of this.#options.join) {
      this.#seeds.set(address, undefined);
      this.#dialler.reach(address, Infinity);
    }
    void this.#discover();
  }

  async #discover(): Promise<void> {
    const { discover, hasNodes } = this.#parts;
    try {
      const isAlone = (await discover?.((host) => this.#found(host))) === false;
      if (isAlone && hasNodes()) this.#joined.resolve();
    } catch (error) {
      this.refuse(error);
    }
  }

  /** A host is there now, so an attempt to dial it need not wait any longer. */
  #found(host: string): void {
    this.learn([host]);
    this.#dialler.hurry(host.slice(host.indexOf(' ') + 1));
  }

  /** Resolves when one of the hosts to join is connected, and all hosts that it knows. */
  async joined(): Promise<void> {
    const { join, joinTimeout } = this.#options;
    if (join.length === 0 && this.#parts.discover === undefined) return;
    const timer = setTimeout(
      () => (this.#isSeeded ? this.#joined.resolve() : this.refuse(this.#unanswered(join, joinTimeout))),
      joinTimeout,
    );
    try {
      await this.#joined.promise;
    } catch (error) {
      // A host with nodes can work without others.
      if (!(error instanceof HandoffError && error.code === 'NODE_DOWN' && this.#parts.hasNodes())) throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  #unanswered(join: readonly string[], joinTimeout: number): HandoffError {
    const why =
      this.#lastError instanceof Error ? ` The last attempt: ${this.#lastError.message.replace(/[^.?]$/, '$&.')}` : '';
    const what =
      join.length > 0
        ? `None of ${join.join(', ')} answered within ${joinTimeout} ms.`
        : `No other host was found within ${joinTimeout} ms. Start one with the same servers and namespace.`;
    return new HandoffError('NODE_DOWN', what + why, { cause: this.#lastError });
  }

  /** One of the addresses to join is this host itself. */
  #isSelf(channel: Channel, address: string): void {
    channel.close();
    this.#seeds.delete(address);
    if (this.#seeds.size === 0) this.#joined.resolve();
  }

  /** Fails `joined`: this host cannot take part. */
  refuse(error: unknown): void {
    this.#joined.reject(error);
  }

  get #isSeeded(): boolean {
    if (this.#parts.discover !== undefined) return this.#parts.isAnyUp();
    return [...this.#seeds.values()].some((id) => id !== undefined && this.#parts.isUp(id));
  }

  /** Whether each host that was found has refused this one. */
  get #isRefusedByAll(): boolean {
    const { discover, isAnyUp, isExpecting } = this.#parts;
    return discover !== undefined && !isAnyUp() && !isExpecting() && !this.#dialler.busy([]);
  }

  /** A host has connected or disconnected. */
  settle(): void {
    if (this.#isSeeded && !this.#parts.isExpecting() && !this.#dialler.busy([...this.#seeds.keys()]))
      this.#joined.resolve();
  }

  /** @param hosts `id address` of the hosts that another host knows */
  learn(hosts: readonly string[]): void {
    for (const each of hosts) {
      const space = each.indexOf(' '); // a path of a Unix socket may hold further ones
      if (space < 0) continue;
      const [id, address] = [each.slice(0, space), each.slice(space + 1)];
      if (id === this.#parts.id || this.#parts.isConnected(id)) continue;
      this.#dialler.reach(address, maxDialMs, !this.#parts.canBeDialled() || this.#parts.id < id ? 0 : dialDelayMs);
    }
  }

  /** The address under which a host was joined. */
  addressOf(host: string): string | undefined {
    return [...this.#seeds].find(([, id]) => id === host)?.[0];
  }

  /** Stops dialling an address: its host is connected. */
  forget(address: string): void {
    this.#dialler.forget(address);
  }

  /** A host has disconnected. `error`: without a goodbye. */
  left(host: string, address: string | undefined, error: unknown): void {
    this.settle();
    for (const [seed, id] of this.#seeds) {
      if (id !== host) continue;
      this.#seeds.set(seed, undefined);
      this.#dialler.reach(seed, Infinity, dialDelayMs, true);
    }
    if (error !== undefined && address !== undefined) this.#dialler.reach(address, maxDialMs, dialDelayMs, true);
  }

  stop(): void {
    this.#dialler.stop();
  }
}
