/** Hosts that reach each other over TCP, with or without TLS, or over Unix sockets. */
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

/** Refused connections that are told in a second. */
const toldPerSecond = 10;

export class TcpTransport implements Transport {
  // Private, so that neither the secret nor a key shows when the transport is printed.
  readonly #settings: TcpSettings;
  readonly #channels = new Set<Channel>();
  readonly #stopping = new AbortController();
  #security: Promise<Security> | undefined;
  #listener: Listener | undefined;
  #address: string | undefined;
  #closed: Promise<void> | undefined;
  #told = { since: 0, count: 0, others: 0 };

  /** @throws `INVALID_OPTION` */
  constructor(options: TcpOptions) {
    this.#settings = resolveTcpOptions(options);
  }

  /** @throws `INVALID_OPTION` when it cannot listen there; `STOPPED` */
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
    encodeCard(this.#card()); // now, rather than to each peer in vain
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

  /** Tells of a refusal, unless there are too many. */
  #refused(peer: string, dialled: boolean, error: HandoffError): void {
    const { onRefused } = this.#settings;
    if (onRefused === undefined) return;
    const now = performance.now();
    if (now - this.#told.since >= 1000) this.#told = { ...this.#told, since: now, count: 0 };
    if (this.#told.count === toldPerSecond) return void this.#told.others++;
    const { others } = this.#told;
    this.#told.count++;
    this.#told.others = 0;
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
  return new HandoffError('STOPPED', 'the transport has been closed');
}
