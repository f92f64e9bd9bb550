/**
 * The connection with the NATS servers. The package that speaks their protocol is optional, so it is loaded when it is
 * needed.
 *
 * The client reconnects by itself. Messages are lost then, so `lost` is reported first.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { checkServerIdentity, type PeerCertificate } from 'node:tls';
import type { ConnectionOptions, Msg, NatsConnection, Subscription } from '@nats-io/transport-node';
import { HandoffError } from '../../../core/errors.ts';
import { optionalPackage } from '../../../core/optional-package.ts';
import type { NatsSettings } from './options.ts';

export const clientPackage = '@nats-io/transport-node';

type Client = typeof import('@nats-io/transport-node');

export interface BrokerMessage {
  readonly subject: string;
  readonly reply: string | undefined;
  readonly data: Uint8Array;
  /** It reports that a message with this subject as its reply had no subscriber. */
  readonly isUndelivered: boolean;
}

export interface BrokerEvents {
  /** The connection with a server is lost, with messages in both directions. */
  lost(): void;
  /** It is connected again. */
  back(): void;
}

// ms between attempts to connect.
const retryMs = 250;
// ms for a server to answer when the connection is closed.
const flushTimeoutMs = 500;

export class Broker {
  readonly #client: NatsConnection;
  #isUp = true;
  #isClosing = false;
  #violation: string | undefined;
  readonly #subscriptions: Subscription[] = [];

  private constructor(client: NatsConnection, events: BrokerEvents) {
    this.#client = client;
    void this.#watch(events);
  }

  /**
   * @throws `INVALID_OPTION` when the package of the client is missing, or credentials cannot be read; `UNAUTHORIZED`
   *   when a server refuses this host, or cannot prove itself; `NODE_DOWN` when no server answers in time; the reason
   *   of the signal
   */
  static async connect(settings: NatsSettings, events: BrokerEvents, signal: AbortSignal): Promise<Broker> {
    const client = await load();
    const options = clientOptions(client, settings);
    const until = performance.now() + settings.connectTimeout;
    for (;;) {
      signal.throwIfAborted();
      try {
        const connection = await client.connect(options);
        if (!signal.aborted) return new Broker(connection, events);
        await connection.close();
      } catch (cause) {
        const error = connectError(cause, settings.servers);
        if (error.code !== 'NODE_DOWN' || performance.now() + retryMs > until) throw error;
      }
      await wait(retryMs, undefined, { signal }).catch(() => signal.throwIfAborted());
    }
  }

  get isUp(): boolean {
    return this.#isUp && !this.#isClosing;
  }

  /** The client, for what is not a message between hosts. Only this class closes it. */
  get client(): NatsConnection {
    return this.#client;
  }

  /** The longest message that the server takes, in bytes. */
  get maxPayloadBytes(): number {
    return this.#client.info?.max_payload ?? 1024 * 1024;
  }

  /** Has no effect while there is no connection. */
  publish(subject: string, data: Uint8Array, reply?: string): void {
    if (!this.isUp || this.#client.isClosed()) return;
    this.#client.publish(subject, data, reply === undefined ? undefined : { reply });
  }

  /** @param take must not throw */
  subscribe(subject: string, take: (message: BrokerMessage) => void): void {
    const callback = (error: Error | null, message: Msg): void => {
      if (error !== null) this.#violation ??= error.message;
      else take(received(message));
    };
    this.#subscriptions.push(this.#client.subscribe(subject, { callback }));
  }

  /**
   * Resolves when the server has taken everything so far.
   *
   * @throws `UNAUTHORIZED` when it has refused some of it; `NODE_DOWN` when the connection was lost
   */
  async flush(): Promise<void> {
    try {
      await this.#client.flush();
    } catch (cause) {
      throw new HandoffError(
        'NODE_DOWN',
        'the connection with the NATS server was lost. Check that the server runs, and its log',
        { cause },
      );
    }
    await new Promise((resolve) => setImmediate(resolve)); // the status of an earlier refusal is reported by then
    if (this.#violation !== undefined)
      throw new HandoffError(
        'UNAUTHORIZED',
        `the NATS server does not let this host use a subject that it needs: ${this.#violation}. ` +
          'Allow it to publish and subscribe to all subjects of its namespace, NAMESPACE.>',
      );
  }

  async close(): Promise<void> {
    if (this.#isClosing) return;
    // First, so that the server knows afterwards that no host is here.
    if (this.#isUp) for (const subscription of this.#subscriptions) subscription.unsubscribe();
    const flushed = this.#isUp ? this.#client.flush().catch(() => undefined) : undefined;
    this.#isClosing = true;
    const timeout = new AbortController();
    await Promise.race([flushed, wait(flushTimeoutMs, undefined, { signal: timeout.signal }).catch(() => undefined)]);
    timeout.abort();
    await this.#client.close();
  }

  async #watch(events: BrokerEvents): Promise<void> {
    for await (const status of this.#client.status()) {
      if (this.#isClosing) return;
      if (status.type === 'disconnect') {
        this.#isUp = false;
        events.lost();
      } else if (status.type === 'reconnect') {
        this.#isUp = true;
        events.back();
      } else if (status.type === 'error' && status.error.name === 'PermissionViolationError') {
        this.#violation ??= status.error.message;
      }
    }
  }
}

const load = (): Promise<Client> =>
  optionalPackage(
    clientPackage,
    { who: "transport { type: 'nats' }", option: 'transport' },
    () => import('@nats-io/transport-node'),
  );

function received(message: Msg): BrokerMessage {
  const { subject, reply, data } = message;
  return {
    subject,
    reply: reply === '' ? undefined : reply,
    data,
    isUndelivered: data.byteLength === 0 && message.headers?.code === 503,
  };
}

function clientOptions(client: Client, settings: NatsSettings): ConnectionOptions {
  const { servers, user, pass, token, nkey, creds, tls, pingInterval, handshakeTimeout, name, namespace } = settings;
  const bytes = (text: string | Buffer): Uint8Array => new Uint8Array(Buffer.from(text as string));
  const authenticator =
    creds !== undefined
      ? client.credsAuthenticator(bytes(creds))
      : nkey !== undefined
        ? client.nkeyAuthenticator(bytes(nkey.toString().trim()))
        : undefined;
  return {
    servers: servers.map(({ host }) => host),
    name,
    noEcho: true,
    inboxPrefix: `${namespace}.inbox`, // no right beyond the namespace is needed
    ...(user !== undefined && { user, pass: pass ?? '' }),
    ...(token !== undefined && { token }),
    ...(authenticator !== undefined && { authenticator }),
    ...(tls !== undefined && { tls: tlsOptions(tls, servers) }),
    // The client never gives up: hosts meet again when a server returns.
    reconnect: true,
    maxReconnectAttempts: -1,
    ignoreAuthErrorAbort: true,
    reconnectTimeWait: retryMs,
    reconnectJitter: retryMs,
    reconnectJitterTLS: retryMs,
    timeout: handshakeTimeout,
    // A server that hangs is left for another one.
    pingInterval,
    maxPingOut: 2,
  };
}

function tlsOptions(
  tls: NonNullable<NatsSettings['tls']>,
  servers: NatsSettings['servers'],
): NonNullable<ConnectionOptions['tls']> {
  const { ca, cert, key, handshakeFirst } = tls === true ? {} : tls;
  return {
    ...(ca !== undefined && { ca: ca.toString() }),
    ...(cert !== undefined && { cert: cert.toString() }),
    ...(key !== undefined && { key: key.toString() }),
    ...(handshakeFirst !== undefined && { handshakeFirst }),
    // The client passes no name for a server that is given by its IP address, and Node takes 'localhost' then.
    ...{ checkServerIdentity: (name: string, peer: PeerCertificate) => checkIdentity(name, peer, servers) },
  };
}

/** Accepts a certificate for the name of the server, or of any given server when the client knows no name. */
function checkIdentity(
  name: string,
  certificate: PeerCertificate,
  servers: NatsSettings['servers'],
): Error | undefined {
  const names = servers.map(({ host }) => host.replace(/:\d+$/, '').replace(/^\[|\]$/g, ''));
  const candidates = name === 'localhost' && !names.includes(name) ? names : [name];
  const errors = candidates.map((each) => checkServerIdentity(each, certificate));
  return errors.includes(undefined) ? undefined : errors[0];
}

/** The error for a failed attempt. Servers are shown without what stood before the host in their URL. */
function connectError(cause: unknown, servers: NatsSettings['servers']): HandoffError {
  const { name = '', message = String(cause), code = '' } = (cause ?? {}) as { name?: string } & NodeJS.ErrnoException;
  const where = servers.map(({ host }) => host).join(', ');
  if (name === 'AuthorizationError' || name === 'UserAuthenticationExpiredError')
    return new HandoffError(
      'UNAUTHORIZED',
      `the NATS server at ${where} refuses this host: ${message}. Check user and pass, token, nkey, creds or tls of the transport`,
      { cause },
    );
  if (message.includes("does not support 'tls'"))
    return new HandoffError(
      'UNAUTHORIZED',
      `the NATS server at ${where} does not use TLS, but this host requires it. ` +
        'Leave out tls, and use nats:// instead of tls://, or configure TLS on the server',
      { cause },
    );
  if (/CERT|SELF_SIGNED|UNABLE_TO_|ERR_SSL|ERR_TLS/.test(code) || /certificate|SSL|TLS/i.test(message))
    return new HandoffError(
      'UNAUTHORIZED',
      `this host and the NATS server at ${where} cannot agree on TLS: ${message || code}. Check tls: ca, cert and key of the transport`,
      { cause },
    );
  if (name === 'TimeoutError' || /^timeout$/i.test(message))
    return new HandoffError(
      'NODE_DOWN',
      `the NATS server at ${where} does not complete the connection in time. ` +
        'If it requires certificates of its clients, set tls: { cert, key }; otherwise see its log',
      { cause },
    );
  return new HandoffError(
    'NODE_DOWN',
    `no NATS server answers at ${where}: ${message || code}. Start one, or correct the option servers`,
    { cause },
  );
}
