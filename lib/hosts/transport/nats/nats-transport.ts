/**
 * Connects hosts through a NATS message broker: no host needs an address that others can reach.
 *
 * ```
 *   Channel ─ TLS, when there is a secret ─ BrokerStream ─ Switchboard ─ Broker ─► NATS server
 *   bulk channels, where a host can be reached ─────────────────────────────────► TcpTransport
 * ```
 *
 * Hosts announce themselves, and a new host asks for the others. When the connection with the server is lost, all
 * channels end, because messages were lost; hosts meet again when it is back.
 */
import { hostname } from 'node:os';
import { nanoid } from 'nanoid';
import { HandoffError, isHandoffError } from '../../../core/errors.ts';
import { type Card, encodeCard } from '../tcp/card.ts';
import { securityOf } from '../tcp/secure.ts';
import { SocketChannel } from '../tcp/socket-channel.ts';
import { UnprovenConnections } from '../tcp/unproven.ts';
import type { Channel, ChannelKind, Identity, Transport } from '../transport.ts';
import { Broker, type BrokerMessage } from './broker.ts';
import type { BrokerStream } from './broker-stream.ts';
import { DirectBulk } from './direct-bulk.ts';
import { type NatsOptions, type NatsSettings, resolveNatsOptions } from './options.ts';
import { prove } from './proof.ts';
import { share, type SharedConnection } from './shared-connection.ts';
import { addressOf, announced, announcementOf, Subjects, tokenOf } from './subjects.ts';
import { Switchboard } from './switchboard.ts';

/** The stream that answers to the question for other hosts arrive on. */
const answersId = 'who';
/** Connections that may be unproven at the same time. */
const maxUnproven = 1024;

interface Link {
  readonly broker: Broker;
  readonly switchboard: Switchboard;
}

export class NatsTransport implements Transport {
  // Private, so that printing the transport shows no secret.
  readonly #settings: NatsSettings;
  readonly #subjects: Subjects;
  readonly #address: string;
  readonly #channels = new Set<Channel>();
  readonly #unproven = new UnprovenConnections(maxUnproven, maxUnproven);
  readonly #stopping = new AbortController();
  readonly #direct: DirectBulk;
  #link: Promise<Link> | undefined;
  #up: Link | undefined;
  #onChannel: ((channel: Channel) => void) | undefined;
  #found: ((host: string) => void) | undefined;
  #isFirst: PromiseWithResolvers<boolean> | undefined;
  #announcing: NodeJS.Timeout | undefined;
  #closed: Promise<void> | undefined;

  /** @throws `INVALID_OPTION` when an option has a bad value */
  constructor(options: NatsOptions) {
    this.#settings = resolveNatsOptions(options);
    const host = `${hostname()
      .replaceAll(/[^A-Za-z0-9-]/g, '-')
      .slice(0, 40)}-${process.pid}-${nanoid(12)}`;
    this.#subjects = new Subjects(this.#settings.namespace, host);
    this.#address = addressOf(host);
    this.#direct = new DirectBulk(this.#settings);
  }

  /**
   * @throws `INVALID_OPTION` when the client's package is missing; `UNAUTHORIZED` when a server refuses this host;
   *   `NODE_DOWN` when none answers; `STOPPED` when it is closed
   */
  async listen(onChannel: (channel: Channel) => void): Promise<string> {
    this.#needOpen();
    if (this.#onChannel !== undefined) throw new Error('a transport listens once');
    this.#onChannel = onChannel;
    try {
      await this.#direct.listen(onChannel);
      encodeCard(this.#card()); // check it now rather than at every connection
      const { broker, switchboard } = await this.#connected();
      broker.subscribe(this.#subjects.door, (message) => switchboard.request(message));
      await broker.flush();
    } catch (error) {
      await this.close(); // nothing may keep the process alive
      throw error;
    }
    this.#needOpen();
    return this.#address;
  }

  async dial(address: string, kind: ChannelKind): Promise<Channel> {
    this.#needOpen();
    const token = tokenOf(address);
    if (token === undefined)
      throw new HandoffError(
        'INVALID_OPTION',
        `'${address}' is not the address of a host at a NATS server: expected 'nats:NAME'`,
        { option: 'address' },
      );
    const direct = kind === 'bulk' ? await this.#direct.dial(address) : undefined;
    if (direct !== undefined) return direct;
    const { handshakeTimeout } = this.#settings;
    const { broker, switchboard } = await this.#connected();
    this.#needOpen();
    if (!broker.isUp)
      throw new HandoffError(
        'NODE_DOWN',
        `no host answers at ${address}, because this host has lost its NATS server. Check that a server of the option servers runs`,
      );
    const timeout = new AbortController();
    const timer = setTimeout(
      () =>
        timeout.abort(
          new HandoffError('NODE_DOWN', `no host answers at ${address}, for ${handshakeTimeout} ms (handshakeTimeout)`),
        ),
      handshakeTimeout,
    );
    const signal = AbortSignal.any([timeout.signal, this.#stopping.signal]);
    try {
      const stream = await switchboard.open(this.#subjects.doorOf(token), address, signal);
      return await this.#prove(stream, kind, `the host at ${address}`, signal);
    } catch (error) {
      if (this.#closed !== undefined) throw stopped();
      if (isHandoffError(error) && isRefusal(error)) this.#refused(address, true, error);
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * Starts to find other hosts, now and later.
   *
   * @param found receives `id address` of a host, also repeatedly
   * @returns whether there are others, when the first has answered
   */
  async discover(found: (host: string) => void): Promise<boolean> {
    const { broker } = await this.#connected();
    this.#needOpen();
    this.#found = found;
    this.#isFirst = Promise.withResolvers();
    const { up, who } = this.#subjects;
    broker.subscribe(up, ({ data }) => this.#heard(data));
    this.#ask(broker);
    // After the question: this host does not answer itself.
    broker.subscribe(who, ({ data, reply }) => {
      this.#heard(data);
      if (reply !== undefined && this.#subjects.isStream(reply)) broker.publish(reply, this.#announcement());
    });
    await broker.flush();
    this.#announcing = setInterval(() => broker.publish(up, this.#announcement()), this.#settings.announceInterval);
    return this.#isFirst.promise;
  }

  /** The connection with the servers, for others as long as the transport is open. @throws like `listen` */
  async connection(): Promise<SharedConnection> {
    const { broker } = await this.#connected();
    return share(broker, this.#settings, async () => {});
  }

  close(): Promise<void> {
    return (this.#closed ??= this.#close());
  }

  async #close(): Promise<void> {
    this.#stopping.abort(stopped());
    clearInterval(this.#announcing);
    this.#isFirst?.resolve(false);
    this.#unproven.clear();
    const channels = [...this.#channels];
    for (const channel of channels) channel.close();
    await Promise.all([this.#direct.close(), ...channels.map((channel) => channel.closed)]);
    const link = await this.#link?.catch(() => undefined);
    await link?.broker.close();
  }

  #connected(): Promise<Link> {
    return (this.#link ??= this.#connect());
  }

  async #connect(): Promise<Link> {
    const broker = await Broker.connect(
      this.#settings,
      {
        lost: () => this.#up?.switchboard.end(new Error('the connection with the NATS server was lost')),
        back: () => this.#ask(broker),
      },
      this.#stopping.signal,
    );
    const switchboard = new Switchboard({
      broker,
      subjects: this.#subjects,
      hasSecret: this.#settings.secret !== '',
      accepted: (stream) => void this.#accept(stream),
      refused: (error) => this.#refused('a host', false, error),
    });
    broker.subscribe(this.#subjects.streams, (message) => this.#message(message, switchboard));
    return (this.#up = { broker, switchboard });
  }

  #message(message: BrokerMessage, switchboard: Switchboard): void {
    if (this.#subjects.idOf(message.subject) !== answersId) return switchboard.message(message);
    if (message.isUndelivered) this.#isFirst?.resolve(false);
    else this.#heard(message.data);
  }

  /** Asks for other hosts, and announces this one. */
  #ask(broker: Broker): void {
    if (this.#found === undefined) return;
    const { who, up } = this.#subjects;
    broker.publish(who, this.#announcement(), this.#subjects.stream(answersId));
    broker.publish(up, this.#announcement());
  }

  #announcement(): Uint8Array {
    return Buffer.from(announcementOf(this.#identity()));
  }

  #heard(data: Uint8Array): void {
    if (data.byteLength > 1024) return;
    const host = announced(Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString());
    if (host === undefined || this.#stopping.signal.aborted) return;
    this.#isFirst?.resolve(true);
    this.#found?.(host);
  }

  /** Another host has requested a connection. */
  async #accept(stream: BrokerStream): Promise<void> {
    const { handshakeTimeout } = this.#settings;
    const timeout = new AbortController();
    const signal = AbortSignal.any([timeout.signal, this.#stopping.signal]);
    const drop = (why: string): void => timeout.abort(new HandoffError('NODE_DOWN', why));
    const timer = setTimeout(() => drop(`it did not prove itself for ${handshakeTimeout} ms`), handshakeTimeout);
    const unproven = this.#unproven.add(undefined, () => drop('too many connections are not proven yet'));
    try {
      const channel = await this.#prove(stream, undefined, 'a host', signal, () => {
        unproven.speaks();
        unproven.vouched();
      });
      if (this.#onChannel === undefined || this.#closed !== undefined) channel.close(stopped());
      else this.#onChannel(channel);
    } catch (error) {
      stream.destroy();
      if (isHandoffError(error) && isRefusal(error)) this.#refused('a host', false, error);
    } finally {
      clearTimeout(timer);
      unproven.forget();
    }
  }

  async #prove(
    stream: BrokerStream,
    dials: ChannelKind | undefined,
    peerName: string,
    signal: AbortSignal,
    vouched?: () => void,
  ): Promise<Channel> {
    stream.on('error', () => undefined);
    const security = await securityOf({ secret: this.#settings.secret, tls: undefined });
    const options = { dials, security, card: this.#card, peerName, signal, ...(vouched !== undefined && { vouched }) };
    return prove(stream, options, (on, proven) => {
      const channel = new SocketChannel(on, proven, dials !== undefined, this.#settings);
      this.#channels.add(channel);
      if (proven.kind === 'control') this.#direct.learn(proven.peer);
      void channel.closed.then(() => {
        this.#channels.delete(channel);
        if (proven.kind === 'control') this.#direct.forget(proven.peer);
      });
      return channel;
    });
  }

  #refused(peer: string, dialled: boolean, error: HandoffError): void {
    this.#settings.onRefused?.({ peer, dialled, error, others: 0 });
  }

  #identity(): Identity {
    const { id, incarnation } = this.#settings.identity();
    return { id, incarnation, address: this.#address, direct: this.#direct.address };
  }

  readonly #card = (): Card => ({
    identity: this.#identity(),
    maxFrameBytes: this.#settings.maxFrameBytes,
  });

  #needOpen(): void {
    if (this.#closed !== undefined) throw stopped();
  }
}

function isRefusal({ code }: HandoffError): boolean {
  return ['UNAUTHORIZED', 'VERSION_MISMATCH', 'PROTOCOL_ERROR'].includes(code);
}

function stopped(): HandoffError {
  return new HandoffError('STOPPED', 'the transport is closed');
}
