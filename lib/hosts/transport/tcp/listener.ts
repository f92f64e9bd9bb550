/** Accepts connections, and lets through those that prove themselves in time. */
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type Server as TlsServer, type TLSSocket } from 'node:tls';
import { HandoffError } from '../../../core/errors.ts';
import { unixPath } from './address.ts';
import type { Card } from './card.ts';
import { glimpse, hello, HelloExchange, magic, type Proven } from './hello.ts';
import type { TcpSettings } from './options.ts';
import { Refusal } from './refusal.ts';
import { bindingOf, judge, listenFailure, listenOptions, type Security } from './secure.ts';
import { part, shake } from './shake.ts';
import { listenAt, type Unlisten } from './unix-socket.ts';
import { type Unproven, UnprovenConnections } from './unproven.ts';

/** The first byte of a TLS record that holds a ClientHello. */
const tlsHandshake = 0x16;
/** A TLS record that says `access_denied`, which a dialler understands that speaks TLS. */
const accessDenied = Buffer.from([0x15, 3, 3, 0, 2, 2, 49]);

interface Waiting {
  readonly raw: Socket;
  readonly name: string;
  readonly unproven: Unproven;
  /** It is through, or gone. */
  readonly done: () => void;
}

export class Listener {
  readonly #settings: TcpSettings;
  readonly #security: Security;
  readonly #card: () => Card;
  readonly #proved: (socket: Socket, proven: Proven) => void;
  readonly #refused: (peer: string, error: HandoffError) => void;
  readonly #server: Server;
  /** Takes TLS off. It does not listen itself, so that nobody gets that far uncounted. */
  readonly #tls: TlsServer | undefined;
  readonly #unproven: UnprovenConnections;
  /** Those under way in TLS, by where they come from: a TLS socket does not tell which one it lies on. */
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
      (socket) => this.#judge(socket, security),
    );
    this.#tls.on('tlsClientError', (error, socket) => this.#failed(socket, error));
  }

  /** Gives the port; undefined for a Unix socket. */
  async listen(): Promise<number | undefined> {
    const { host, port } = this.#settings;
    const path = unixPath(host);
    if (path !== undefined) {
      this.#unlisten = await listenAt(this.#server, path);
    } else {
      await new Promise<void>((resolve, reject) => {
        this.#server.once('close', () =>
          reject(new HandoffError('STOPPED', 'the transport was closed before it listened')),
        );
        this.#server.once('error', (cause) =>
          reject(
            new HandoffError('INVALID_OPTION', `cannot listen on ${host}:${port}: ${cause.message}`, {
              option: 'port',
              cause,
            }),
          ),
        );
        // Whatever else a resolver may think, localhost is not to be reached from elsewhere.
        this.#server.listen({ host: host === 'localhost' ? '127.0.0.1' : host, port }, resolve);
      });
    }
    this.#server.removeAllListeners('error').on('error', () => undefined); // one connection that could not be accepted
    return path === undefined ? (this.#server.address() as AddressInfo).port : undefined;
  }

  /** Accepts nobody any more, and drops those that have not proved themselves. */
  async close(): Promise<void> {
    this.#server.on('listening', () => this.#server.close()); // when it was only about to
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
    // No TLS is set up for who says nothing.
    raw.once('data', (first: Buffer) => {
      unproven.heard();
      raw.pause();
      raw.unshift(first);
      this.#begin(waiting, first);
    });
  }

  /** By its first byte, what it speaks. */
  #begin(waiting: Waiting, first: Buffer): void {
    const { raw, name } = waiting;
    if (this.#tls === undefined) {
      if (first[0] !== tlsHandshake) return this.#shake(raw, waiting, undefined);
      return this.#refuse(
        raw,
        name,
        accessDenied,
        new HandoffError(
          'UNAUTHORIZED',
          `${name} speaks TLS, and this host has neither a secret nor tls. Give both the same`,
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
          `${name} speaks without TLS, and this host has ${this.#settings.tls === undefined ? 'a secret' : 'tls'}. Give both the same`,
        ),
      );
    }
    return this.#refuse(
      raw,
      name,
      undefined,
      new HandoffError(
        'PROTOCOL_ERROR',
        `${name} speaks neither TLS nor the protocol of Handoff: it sent ${glimpse(first)}`,
      ),
    );
  }

  /** TLS is up: says whether its other side is what it should be. */
  #judge(socket: TLSSocket, security: Exclude<Security, { readonly kind: 'none' }>): void {
    const waiting = this.#within.get(nameOf(socket));
    if (waiting === undefined) return void socket.destroy(); // it has just ended
    const verdict = judge(socket, security, waiting.name);
    if (verdict !== undefined)
      return this.#refuse(socket, waiting.name, hello(undefined, false, verdict.refusal), verdict.error);
    const key = security.kind === 'certificates' ? security.key : undefined;
    return this.#shake(socket, waiting, key === undefined ? undefined : { key, binding: bindingOf(socket) });
  }

  /** @param socket the connection, or the TLS socket on it */
  #shake(
    socket: Socket,
    { name, done }: Waiting,
    proof: { readonly key: Buffer; readonly binding: Buffer } | undefined,
  ): void {
    socket.on('error', () => undefined);
    const exchange = new HelloExchange({ dials: undefined, proof, card: this.#card, peerName: name });
    shake(
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

  #refuse(socket: Socket, name: string, lastWord: Buffer | undefined, error: HandoffError): void {
    part(socket, lastWord);
    this.#refused(name, error);
  }

  /** TLS did not come about. */
  #failed(socket: TLSSocket, cause: unknown): void {
    const name = nameOf(socket);
    const error = listenFailure(cause, this.#security, name);
    socket.destroy();
    if (error !== undefined) this.#refused(name, error);
  }
}

/** Where a connection comes from. */
function nameOf({ remoteAddress, remotePort }: Socket): string {
  if (remoteAddress === undefined) return 'a peer';
  return remoteAddress.includes(':') ? `[${remoteAddress}]:${remotePort}` : `${remoteAddress}:${remotePort}`;
}
