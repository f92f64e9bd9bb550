/** Hosts that reach each other over TCP, with or without TLS. */
import type { Socket } from 'node:net';
import { HandoffError } from '../../../core/errors.ts';
import type { Channel, ChannelKind, Identity, Transport } from '../transport.ts';
import { formatAddress, parseAddress } from './address.ts';
import { encodeCard } from './card.ts';
import { dial, type Dialling } from './dial.ts';
import type { Proven } from './handshake.ts';
import { Listener } from './listener.ts';
import { resolveTcpOptions, type TcpOptions, type TcpSettings } from './options.ts';
import { SocketChannel } from './socket-channel.ts';

export class TcpTransport implements Transport {
  // Private, so that neither the secret nor a key shows when the transport is printed.
  readonly #settings: TcpSettings;
  readonly #channels = new Set<Channel>();
  readonly #dialling = new Set<Dialling>();
  #listener: Listener | undefined;
  #address: string | undefined;
  #closed: Promise<void> | undefined;

  /** @throws `INVALID_OPTION` */
  constructor(options: TcpOptions) {
    this.#settings = resolveTcpOptions(options);
  }

  /** @throws `INVALID_OPTION` when it cannot listen there; `STOPPED` */
  async listen(onChannel: (channel: Channel) => void): Promise<string | undefined> {
    this.#needOpen();
    if (this.#listener !== undefined) throw new Error('a transport listens once');
    const { port, host, advertise, secret } = this.#settings;
    if (port === undefined) return undefined;
    const listener = new Listener(this.#settings, { secret, identity: this.#identity }, (socket, proven) => onChannel(this.#add(socket, proven, false)));
    this.#listener = listener;
    const bound = await listener.listen();
    this.#needOpen();
    this.#address = advertise !== undefined && parseAddress(advertise) !== undefined ? advertise : formatAddress((advertise ?? host).replace(/^\[|\]$/g, ''), bound);
    encodeCard(this.#identity()); // now, rather than to each peer in vain
    return this.#address;
  }

  dial(address: string, kind: ChannelKind): Promise<Channel> {
    return new Promise((resolve, reject) => {
      this.#needOpen();
      const { secret } = this.#settings;
      const proved = (socket: Socket, proven: Proven): void => {
        this.#dialling.delete(dialling);
        resolve(this.#add(socket, proven, true));
      };
      const dialling = dial(this.#settings, address, { dials: kind, secret, identity: this.#identity }, proved, (error) => {
        this.#dialling.delete(dialling);
        reject(error);
      });
      this.#dialling.add(dialling);
    });
  }

  close(): Promise<void> {
    return (this.#closed ??= this.#close());
  }

  async #close(): Promise<void> {
    for (const dialling of this.#dialling) dialling.cancel(stopped());
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

  readonly #identity = (): Identity => {
    const { id, incarnation } = this.#settings.identity();
    return { id, incarnation, address: this.#address };
  };

  #needOpen(): void {
    if (this.#closed !== undefined) throw stopped();
  }
}

function stopped(): HandoffError {
  return new HandoffError('STOPPED', 'the transport has been closed');
}
