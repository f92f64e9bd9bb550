/** Connects hosts over TCP, with or without TLS, or over Unix sockets. */
import type { Socket } from 'node:net';
import { HandoffError } from '../../../core/errors.ts';
import type { Channel, ChannelKind, Transport } from '../transport.ts';
import { formatAddress, parseAddress, unixPath } from './address.ts';
import { type Card, encodeCard } from './card.ts';
import { dial } from './dial.ts';
import type { Proven } from './hello.ts';
import { Listener } from './listener.ts';
import { resolveTcpOptions, type TcpOptions, type TcpSettings } from './options.ts';
import { plain, type Security, securityOf } from './secure.ts';
import { SocketChannel } from './socket-channel.ts';

/** Refused connections reported per second; further ones are only counted. */
const maxReportsPerSecond = 10;

export class TcpTransport implements Transport {
  // Private, so that printing the transport shows neither secret nor key.
  readonly #settings: TcpSettings;
  readonly #channels = new Set<Channel>();
  readonly #stopping = new AbortController();
  #security: Promise<Security> | undefined;
  #listener: Listener | undefined;
  #address: string | undefined;
  #closed: Promise<void> | undefined;
  #reported = { since: 0, count: 0, others: 0 };

  /** @throws `INVALID_OPTION` when an option has a bad value */
  constructor(options: TcpOptions) {
    this.#settings = resolveTcpOptions(options);
  }

  /** @throws `INVALID_OPTION` when it cannot listen there; `STOPPED` when it is closed */
  async listen(onChannel: (channel: Channel) => void): Promise<string | undefined> {
    this.#needOpen();
    if (this.#listener !== undefined) throw new Error('a transport listens once');
    const { port, host, advertise } = this.#settings;
    const isUnix = unixPath(host) !== undefined;
    if (port === undefined && !isUnix) return undefined;
    const security = isUnix ? plain : await this.#secure();
    this.#needOpen();
    const proved = (socket: Socket, proven: Proven): void => onChannel(this.#add(socket, proven, false));
    this.#listener = new Listener(this.#settings, security, this.#card, proved, (peer, error) =>
      this.#refused(peer, false, error),
    );
    const bound = await this.#listener.listen();
    this.#needOpen();
    const own = bound === undefined ? host : formatAddress((advertise ?? host).replace(/^\[|\]$/g, ''), bound);
    this.#address = advertise !== undefined && parseAddress(advertise) !== undefined ? advertise : own;
    encodeCard(this.#card()); // check it now rather than at every connection
    return this.#address;
  }

  async dial(address: string, kind: ChannelKind): Promise<Channel> {
    this.#needOpen();
    const { handshakeTimeout } = this.#settings;
    const { signal } = this.#stopping;
    try {
      return await dial(
        { address, kind, card: this.#card, handshakeTimeout, signal, security: () => this.#secure() },
        ({ socket, proven }) => this.#add(socket, proven, true),
      );
    } catch (error) {
      if (error instanceof HandoffError && ['UNAUTHORIZED', 'VERSION_MISMATCH', 'PROTOCOL_ERROR'].includes(error.code))
        this.#refused(address, true, error);
      throw error;
    }
  }

  close(): Promise<void> {
    return (this.#closed ??= this.#close());
  }

  async #close(): Promise<void> {
    this.#stopping.abort(stopped());
    const channels = [...this.#channels];
    for (const channel of channels) channel.close();
    await Promise.all([this.#listener?.close(), ...channels.map((channel) => channel.closed)]);
  }

  #add(socket: Socket, proven: Proven, dialled: boolean): Channel {
    const channel = new SocketChannel(socket, proven, dialled, this.#settings);
    this.#channels.add(channel);
    void channel.closed.then(() => this.#channels.delete(channel));
    return channel;
  }

  #secure(): Promise<Security> {
    return (this.#security ??= securityOf(this.#settings));
  }

  /** Reports a refusal, unless there were too many within a second. */
  #refused(peer: string, dialled: boolean, error: HandoffError): void {
    const { onRefused } = this.#settings;
    if (onRefused === undefined) return;
    const now = performance.now();
    if (now - this.#reported.since >= 1000) this.#reported = { ...this.#reported, since: now, count: 0 };
    if (this.#reported.count === maxReportsPerSecond) return void this.#reported.others++;
    const { others } = this.#reported;
    this.#reported.count++;
    this.#reported.others = 0;
    onRefused({ peer, dialled, error, others });
  }

  readonly #card = (): Card => {
    const { identity, maxFrameBytes } = this.#settings;
    const { id, incarnation } = identity();
    return { identity: { id, incarnation, address: this.#address }, maxFrameBytes };
  };

  #needOpen(): void {
    if (this.#closed !== undefined) throw stopped();
  }
}

function stopped(): HandoffError {
  return new HandoffError('STOPPED', 'the transport is closed');
}
