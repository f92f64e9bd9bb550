/**
 * Large data between hosts at a broker, over TCP where one can reach the other: it is faster, and does not load the
 * broker.
 */
import { HandoffError } from '../../../core/errors.ts';
import { TcpTransport } from '../tcp/tcp-transport.ts';
import type { Channel, Identity } from '../transport.ts';
import type { NatsSettings } from './options.ts';

// ms for a host to answer directly: a firewall may drop what is sent to it.
const dialTimeoutMs = 1000;
// ms before a host that could not be reached is tried again.
const retryMs = 60_000;

interface Holder {
  readonly id: string;
  readonly address: string;
  failedAt: number;
}

export class DirectBulk {
  readonly #isRequired: boolean;
  readonly #tcp: TcpTransport | undefined;
  /** The hosts that listen for bulk channels, by address at the broker. */
  readonly #holders = new Map<string, Holder>();
  #address: string | undefined;

  /** @throws `INVALID_OPTION` when host, port, advertise and secret do not fit together */
  constructor({ bulk, identity, host, port, advertise, secret, maxFrameBytes, maxQueuedBytes }: NatsSettings) {
    this.#isRequired = bulk === 'direct';
    if (bulk === 'broker') return;
    this.#tcp = new TcpTransport({
      identity,
      host,
      port: host.startsWith('unix:') ? undefined : (port ?? 0),
      advertise,
      ...(secret !== '' && { secret }),
      maxFrameBytes,
      maxQueuedBytes,
      handshakeTimeout: dialTimeoutMs,
    });
  }

  /** The `host:port` where this host accepts bulk channels; undefined when it does not. */
  get address(): string | undefined {
    return this.#address;
  }

  /** @throws `INVALID_OPTION` when it cannot listen there */
  async listen(onChannel: (channel: Channel) => void): Promise<void> {
    this.#address = await this.#tcp?.listen((channel) => {
      if (channel.kind === 'bulk') onChannel(channel);
      else channel.close(); // control channels go through the broker
    });
  }

  /** A host is connected. */
  learn({ id, address, direct }: Identity): void {
    if (address !== undefined && direct !== undefined)
      this.#holders.set(address, { id, address: direct, failedAt: -Infinity });
  }

  /** A host is gone. */
  forget({ id, address }: Identity): void {
    if (address !== undefined && this.#holders.get(address)?.id === id) this.#holders.delete(address);
  }

  /**
   * @returns undefined when the channel has to go through the broker
   * @throws `NODE_DOWN` when the host cannot be reached, and `bulk` is `'direct'`
   */
  async dial(address: string): Promise<Channel | undefined> {
    const holder = this.#holders.get(address);
    const error = await this.#try(holder);
    if (error === undefined || !(error instanceof Error)) return error;
    if (!this.#isRequired) return undefined;
    throw new HandoffError(
      'NODE_DOWN',
      `the host at ${address} cannot be reached directly${holder === undefined ? '' : ` at ${holder.address}`}, ` +
        `as the option bulk: 'direct' requires: ${error.message}. Set host, port and advertise there, or bulk: 'auto'`,
      { cause: error },
    );
  }

  close(): Promise<void> | undefined {
    return this.#tcp?.close();
  }

  async #try(holder: Holder | undefined): Promise<Channel | Error | undefined> {
    if (this.#tcp === undefined) return undefined;
    if (holder === undefined) return new Error('it does not listen');
    if (!this.#isRequired && performance.now() - holder.failedAt < retryMs) return undefined;
    try {
      const channel = await this.#tcp.dial(holder.address, 'bulk');
      if (channel.peer.id === holder.id) return channel;
      channel.close();
      throw new Error(`host ${channel.peer.id} answers there`);
    } catch (error) {
      holder.failedAt = performance.now();
      return error as Error;
    }
  }
}
