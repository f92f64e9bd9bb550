/** A network within one process, for tests: it copies bytes and fails connections on demand. */
import { HandoffError } from '../../../core/errors.ts';
import type { Identity } from '../transport.ts';
import type { MemoryChannel } from './memory-channel.ts';

/** A host as the network sees it. */
export interface MemoryHost {
  readonly identity: Identity;
  /** The longest frame body it accepts. */
  readonly maxFrameBytes: number;
  /** Accepts the channel of a peer that dialled. */
  accept(channel: MemoryChannel): void;
}

export class MemoryNetwork {
  readonly #hosts = new Map<string, MemoryHost>();
  readonly #channels = new Set<MemoryChannel>();
  readonly #cuts = new Set<string>();
  #ports = 0;

  /** Lets others dial a host. @returns its address */
  register(host: MemoryHost, address = `memory:${++this.#ports}`): string {
    if (this.#hosts.has(address))
      throw new HandoffError(
        'INVALID_OPTION',
        `address ${address} is taken by another host of this network. Choose another one`,
        { option: 'address' },
      );
    this.#hosts.set(address, host);
    return address;
  }

  unregister(address: string): void {
    this.#hosts.delete(address);
  }

  hostAt(address: string): MemoryHost | undefined {
    return this.#hosts.get(address);
  }

  add(channel: MemoryChannel): void {
    this.#channels.add(channel);
    void channel.closed.then(() => this.#channels.delete(channel));
  }

  /** Loses everything two hosts send each other, without informing either, until it is healed. */
  cut(a: string, b: string): void {
    this.#cuts.add(linkOf(a, b));
  }

  heal(a: string, b: string): void {
    this.#cuts.delete(linkOf(a, b));
  }

  isCut(a: string, b: string): boolean {
    return this.#cuts.has(linkOf(a, b));
  }

  /** Ends the connections between two hosts; both are informed. */
  disconnect(a: string, b: string): void {
    for (const channel of this.#channels) {
      const ends = [channel.self.id, channel.peer.id];
      if (ends.includes(a) && ends.includes(b)) channel.break('the connection was reset');
    }
  }
}

function linkOf(a: string, b: string): string {
  return JSON.stringify([a, b].sort());
}
