/** Accepts connections, and passes on those that prove themselves in time. */
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type Server as TlsServer, type TLSSocket } from 'node:tls';
import { HandoffError } from '../../../core/errors.ts';
import { formatAddress, unixPath } from './address.ts';
import type { Card } from './card.ts';
import { glimpse, hello, HelloExchange, magic, type Proven } from './hello.ts';
import type { TcpSettings } from './options.ts';
import { Refusal } from './refusal.ts';
import { bindingOf, checkPeer, listenFailure, listenOptions, type Security } from './secure.ts';
import { endSocket, handshake } from './handshake.ts';
import { whyNotListening } from './listen-error.ts';
import { listenAt, type Unlisten } from './unix-socket.ts';
import { type Unproven, UnprovenConnections } from './unproven.ts';

/** The first byte of a TLS record that holds a ClientHello. */
const tlsHandshake = 0x16;
/** A TLS record with the alert `access_denied`, for diallers that speak TLS. */
const accessDenied = Buffer.from([0x15, 3, 3, 0, 2, 2, 49]);

interface Waiting {
  readonly raw: Socket;
  readonly name: string;
  readonly unproven: Unproven;
  /** Call when the connection is proven or gone. */
  readonly done: () => void;
}

export class Listener {
  readonly #settings: TcpSettings;
  readonly #security: Security;
  readonly #card: () => Card;
  readonly #proved: (socket: Socket, proven: Proven) => void;
  readonly #refused: (peer: string, error: HandoffError) => void;
  readonly #server: Server;
  /** Decrypts TLS. It does not listen itself, so that every connection is counted first. */
  readonly #tls: TlsServer | undefined;
  readonly #unproven: UnprovenConnections;
  /** Connections in their TLS handshake, by remote address: a TLS socket does not expose its raw socket. */
  readonly #within = new Map<string, Waiting>();
  #unlisten: Unlisten | undefined;

  constructor(
    settings: TcpSettings,
    security: Security,
    card: () => Card,
    proved: (socket: Socket, proven: Proven) => void,
    refused: (peer: string, error: HandoffError) => void,
  ) {
    this.#settings = settings;
    this.#security = security;
    this.#card = card;
    this.#proved = proved;
    this.#refused = refused;
    this.#unproven = new UnprovenConnections(settings.maxUnproven, settings.maxUnprovenPerAddress);
    this.#server = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: 10_000 }, (socket) =>
      this.#accept(socket),
    );
    if (security.kind === 'none') return;
    this.#tls = createTlsServer(
      listenOptions(security, (socket) => this.#within.get(nameOf(socket))?.unproven.vouched()),
      (socket) => this.#checkPeer(socket, security),
    );
    this.#tls.on('tlsClientError', (error, socket) => this.#failed(socket, error));
  }

  /** @returns the port; undefined for a Unix socket */
  async listen(): Promise<number | undefined> {
    const { host, port } = this.#settings;
    const path = unixPath(host);
    if (path !== undefined) {
      this.#unlisten = await listenAt(this.#server, path);
    } else {
      await new Promise<void>((resolve, reject) => {
        this.#server.once('close', () =>
          reject(new HandoffError('STOPPED', 'the transport was closed before it could listen')),
        );
        this.#server.once('error', (cause) =>
          reject(
            new HandoffError(
              'INVALID_OPTION',
              `This host cannot listen on ${formatAddress(host, port ?? 0)}: ${whyNotListening(cause)}`,
              {
                option: 'port',
                cause,
              },
            ),
          ),
        );
        // `localhost` must never be reachable from other machines, whatever the resolver returns.
        this.#server.listen({ host: host === 'localhost' ? '127.0.0.1' : host, port }, resolve);
      });
    }
    this.#server.removeAllListeners('error').on('error', () => undefined); // a single connection could not be accepted
    return path === undefined ? (this.#server.address() as AddressInfo).port : undefined;
  }

  /** Stops accepting, and drops connections that are not proven yet. */
  async close(): Promise<void> {
    this.#server.on('listening', () => this.#server.close()); // in case it is about to listen
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#unlisten?.();
    this.#unproven.clear();
    await closed;
  }

  #accept(raw: Socket): void {
    raw.on('error', () => undefined);
    const name = nameOf(raw);
    const timer = setTimeout(() => raw.destroy(), this.#settings.handshakeTimeout);
    const unproven: Unproven = this.#unproven.add(raw.remoteAddress, () => raw.destroy());
    const done = (): void => {
      clearTimeout(timer);
      unproven.forget();
      raw.off('close', done);
      if (this.#within.get(name) === waiting) this.#within.delete(name);
    };
    const waiting: Waiting = { raw, name, unproven, done };
    raw.on('close', done);
    // Set up TLS only after the first data has arrived.
    raw.once('data', (first: Buffer) => {
      unproven.speaks();
      raw.pause();
      raw.unshift(first);
      this.#begin(waiting, first);
    });
  }

  /** Recognizes the protocol by the first byte. */
  #begin(waiting: Waiting, first: Buffer): void {
    const { raw, name } = waiting;
    if (this.#tls === undefined) {
      if (first[0] !== tlsHandshake) return this.#handshake(raw, waiting, undefined);
      return this.#refuse(
        raw,
        name,
        accessDenied,
        new HandoffError(
          'UNAUTHORIZED',
          `${name} speaks TLS, but this host has neither a secret nor tls. Give both the same options`,
        ),
      );
    }
    if (first[0] === tlsHandshake) {
      this.#within.set(name, waiting);
      return void this.#tls.emit('connection', raw);
    }
    if (first.subarray(0, magic.length).equals(magic)) {
      return this.#refuse(
        raw,
        name,
        hello(undefined, false, Refusal.plaintext),
        new HandoffError(
          'UNAUTHORIZED',
          `${name} does not use TLS, but this host has ${this.#settings.tls === undefined ? 'a secret' : 'tls'}. Give both the same options`,
        ),
      );
    }
    return this.#refuse(
      raw,
      name,
      undefined,
      new HandoffError(
        'PROTOCOL_ERROR',
        `${name} speaks neither TLS nor Handoff's protocol: it sent ${glimpse(first)}. Only hosts of Handoff connect here: check the address that it dialled`,
      ),
    );
  }

  /** TLS is established: checks the other side. */
  #checkPeer(socket: TLSSocket, security: Exclude<Security, { readonly kind: 'none' }>): void {
    const waiting = this.#within.get(nameOf(socket));
    if (waiting === undefined) return void socket.destroy(); // it has just ended
    const refused = checkPeer(socket, security, waiting.name);
    if (refused !== undefined)
      return this.#refuse(socket, waiting.name, hello(undefined, false, refused.refusal), refused.error);
    const key = security.kind === 'certificates' ? security.key : undefined;
    return this.#handshake(socket, waiting, key === undefined ? undefined : { key, binding: bindingOf(socket) });
  }

  /** @param socket the connection, or the TLS socket on it */
  #handshake(
    socket: Socket,
    { name, done }: Waiting,
    proof: { readonly key: Buffer; readonly binding: Buffer } | undefined,
  ): void {
    socket.on('error', () => undefined);
    const exchange = new HelloExchange({ dials: undefined, proof, card: this.#card, peerName: name });
    handshake(
      socket,
      exchange,
      (proven) => {
        done();
        this.#proved(socket, proven);
      },
      (error) => {
        if (error.code !== 'NODE_DOWN') this.#refused(name, error);
      },
    );
    socket.resume();
  }

  #refuse(socket: Socket, name: string, farewell: Buffer | undefined, error: HandoffError): void {
    endSocket(socket, farewell);
    this.#refused(name, error);
  }

  /** The TLS handshake failed. */
  #failed(socket: TLSSocket, cause: unknown): void {
    const name = nameOf(socket);
    const error = listenFailure(cause, this.#security, name);
    socket.destroy();
    if (error !== undefined) this.#refused(name, error);
  }
}

/** The remote address of a connection. */
function nameOf({ remoteAddress, remotePort }: Socket): string {
  if (remoteAddress === undefined) return 'a peer';
  return remoteAddress.includes(':') ? `[${remoteAddress}]:${remotePort}` : `${remoteAddress}:${remotePort}`;
}
