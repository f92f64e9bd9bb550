/** A host of a memory network. */
import { HandoffError } from '../../../core/errors.ts';
import type { Channel, ChannelKind, Identity, Transport } from '../transport.ts';
import { MemoryChannel } from './memory-channel.ts';
import type { MemoryHost, MemoryNetwork } from './memory-network.ts';

export interface MemoryTransportOptions {
  readonly identity: () => Omit<Identity, 'address'>;
  /** Default: any free address. */
  readonly address?: string;
  /** The longest body of a frame, in bytes. Default 16 MiB. */
  readonly maxFrameBytes?: number;
}

export class MemoryTransport implements Transport {
  readonly #network: MemoryNetwork;
  readonly #options: MemoryTransportOptions;
  readonly #channels = new Set<MemoryChannel>();
  #address: string | undefined;
  #closed: Promise<void> | undefined;

  constructor(network: MemoryNetwork, options: MemoryTransportOptions) {
    this.#network = network;
    this.#options = options;
  }

  async listen(onChannel: (channel: Channel) => void): Promise<string | undefined> {
    this.#needOpen();
    const identity = this.#identity;
    const host: MemoryHost = {
      maxFrameBytes: this.#maxFrameBytes,
      get identity() {
        return identity();
      },
      accept: (channel) => {
        if (this.#closed !== undefined) return channel.close(stopped());
        this.#add(channel);
        return onChannel(channel);
      },
    };
    this.#address = this.#network.register(host, this.#options.address);
    return this.#address;
  }

  async dial(address: string, kind: ChannelKind): Promise<Channel> {
    this.#needOpen();
    await new Promise((resolve) => setImmediate(resolve));
    this.#needOpen();
    const network = this.#network;
    const host = network.hostAt(address);
    const self = this.#identity();
    if (host === undefined || network.isCut(self.id, host.identity.id))
      throw new HandoffError('NODE_DOWN', `no host answers at ${address}. Start one there, or check the address`);
    const peer = host.identity;
    const maxFrameBytes = Math.min(this.#maxFrameBytes, host.maxFrameBytes);
    const [near, far] = MemoryChannel.pair(kind, self, peer, {
      cut: () => network.isCut(self.id, peer.id),
      maxFrameBytes,
    });
    network.add(near);
    network.add(far);
    this.#add(near);
    setImmediate(() => host.accept(far));
    return near;
  }

  close(): Promise<void> {
    return (this.#closed ??= this.#close());
  }

  async #close(): Promise<void> {
    if (this.#address !== undefined) this.#network.unregister(this.#address);
    const channels = [...this.#channels];
    for (const channel of channels) channel.close();
    await Promise.all(channels.map((channel) => channel.closed));
  }

  #add(channel: MemoryChannel): void {
    this.#channels.add(channel);
    void channel.closed.then(() => this.#channels.delete(channel));
  }

  get #maxFrameBytes(): number {
    return this.#options.maxFrameBytes ?? 16 * 1024 * 1024;
  }

  readonly #identity = (): Identity => ({ ...this.#options.identity(), address: this.#address });

  #needOpen(): void {
    if (this.#closed !== undefined) throw stopped();
  }
}

function stopped(): HandoffError {
  return new HandoffError('STOPPED', 'the transport is closed');
}
