/** Accepts connections, and lets through those that prove themselves in time. */
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:tls';
import { HandoffError } from '../../../core/errors.ts';
import { Handshake, type HandshakeOptions, type Proven } from './handshake.ts';
import type { TcpSettings } from './options.ts';
import { shake } from './shake.ts';

export class Listener {
  readonly #settings: TcpSettings;
  readonly #handshake: Omit<HandshakeOptions, 'dials' | 'peerName'>;
  readonly #proved: (socket: Socket, proven: Proven) => void;
  readonly #server: Server;
  /** Takes TLS off. It does not listen itself, so that nobody gets that far uncounted. */
  readonly #tls: TlsServer | undefined;
  /** Connections that have not proved themselves, by where they come from: a TLS socket does not tell which one it lies on. */
  readonly #unproven = new Map<string, { readonly socket: Socket; readonly timer: NodeJS.Timeout }>();

  constructor(settings: TcpSettings, handshake: Omit<HandshakeOptions, 'dials' | 'peerName'>, proved: (socket: Socket, proven: Proven) => void) {
    this.#settings = settings;
    this.#handshake = handshake;
    this.#proved = proved;
    this.#server = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: 10_000 }, (socket) => this.#accept(socket));
    if (settings.tls !== undefined) {
      const { cert, key, ca } = settings.tls;
      this.#tls = createTlsServer({ cert, key, ca, requestCert: true, rejectUnauthorized: true, minVersion: 'TLSv1.3' }, (socket) => this.#shake(socket));
      this.#tls.on('tlsClientError', (_error, socket) => socket.destroy());
    }
  }

  /** Gives the port. */
  async listen(): Promise<number> {
    const { host, port } = this.#settings;
    await new Promise<void>((resolve, reject) => {
      this.#server.once('close', () => reject(new HandoffError('STOPPED', 'the transport was closed before it listened')));
      this.#server.once('error', (cause) => reject(new HandoffError('INVALID_OPTION', `cannot listen on ${host}:${port}: ${cause.message}`, { option: 'port', cause })));
      // Whatever else a resolver may think, localhost is not to be reached from elsewhere.
      this.#server.listen({ host: host === 'localhost' ? '127.0.0.1' : host, port }, resolve);
    });
    this.#server.removeAllListeners('error').on('error', () => undefined); // one connection that could not be accepted
    return (this.#server.address() as AddressInfo).port;
  }

  /** Accepts nobody any more, and drops those that have not proved themselves. */
  async close(): Promise<void> {
    this.#server.on('listening', () => this.#server.close()); // when it was only about to
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const { socket } of this.#unproven.values()) socket.destroy();
    await closed;
  }

  #accept(socket: Socket): void {
    socket.on('error', () => undefined);
    const from = nameOf(socket);
    if (this.#unproven.size >= this.#settings.maxUnproven || this.#unproven.has(from)) return void socket.destroy();
    const timer = setTimeout(() => socket.destroy(), this.#settings.handshakeTimeout);
    this.#unproven.set(from, { socket, timer });
    socket.on('close', () => this.#forget(from, socket));
    if (this.#tls === undefined) this.#shake(socket);
    else this.#tls.emit('connection', socket);
  }

  /** @param socket the connection, or the TLS socket on it */
  #shake(socket: Socket): void {
    socket.on('error', () => undefined);
    const from = nameOf(socket);
    const raw = this.#unproven.get(from)?.socket;
    if (raw === undefined) return void socket.destroy(); // it has just ended
    const proved = (proven: Proven): void => {
      this.#forget(from, raw);
      this.#proved(socket, proven);
    };
    shake(socket, new Handshake({ ...this.#handshake, dials: undefined, peerName: 'the peer' }), proved, () => raw.destroy());
  }

  #forget(from: string, socket: Socket): void {
    const unproven = this.#unproven.get(from);
    if (unproven?.socket !== socket) return;
    clearTimeout(unproven.timer);
    this.#unproven.delete(from);
  }
}

function nameOf(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort}`;
}
