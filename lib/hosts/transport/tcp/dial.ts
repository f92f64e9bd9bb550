/** Connects to a host, and proves itself. */
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { HandoffError } from '../../../core/errors.ts';
import { needAddress } from './address.ts';
import { Handshake, type HandshakeOptions, type Proven } from './handshake.ts';
import type { TcpSettings } from './options.ts';
import { shake } from './shake.ts';

/** Under way: exactly one of the two callbacks is called. */
export interface Dialling {
  /** Gives up, with what is then called back. */
  cancel(error: HandoffError): void;
}

/** @throws `INVALID_OPTION` when the address is none */
export function dial(
  settings: TcpSettings,
  address: string,
  options: Omit<HandshakeOptions, 'peerName'>,
  proved: (socket: Socket, proven: Proven) => void,
  failed: (error: HandoffError) => void,
): Dialling {
  const { host, port } = needAddress(address);
  const handshake = new Handshake({ ...options, peerName: `the host at ${address}` });
  const socket = open(settings, host, port);
  let connected = false;
  let over = false;
  const fail = (error: HandoffError): void => {
    if (over) return;
    over = true;
    clearTimeout(timer);
    socket.destroy();
    failed(error);
  };
  const timer = setTimeout(() => {
    const how = connected ? `the host at ${address} has not proved itself` : `nobody answers at ${address}`;
    fail(new HandoffError('NODE_DOWN', `${how}, for ${settings.handshakeTimeout} ms (handshakeTimeout)`));
  }, settings.handshakeTimeout);
  /** Until the other side has said hello, only TLS can have gone wrong once there is a connection. */
  const refused = (cause: unknown): HandoffError => new HandoffError('UNAUTHORIZED', `the host at ${address} and this one do not accept each other's certificates: ${messageOf(cause)}`, { cause });

  let cause: unknown;
  socket.on('error', (error) => (cause ??= error));
  const unanswered = (): void => {
    if (connected && settings.tls !== undefined) return fail(refused(cause));
    return fail(new HandoffError('NODE_DOWN', `nobody answers at ${address}: ${messageOf(cause)}`, { cause }));
  };
  socket.on('close', unanswered);
  socket.once('connect', () => (connected = true));
  socket.once(settings.tls === undefined ? 'connect' : 'secureConnect', () => {
    socket.off('close', unanswered); // from here on, the handshake knows better what it means
    shake(socket, handshake, (proven) => {
      if (over) return;
      over = true;
      clearTimeout(timer);
      proved(socket, proven);
    }, (error) => fail(settings.tls !== undefined && handshake.unanswered && error.code === 'NODE_DOWN' ? refused(error.cause) : error));
  });
  return { cancel: fail };
}

function open(settings: TcpSettings, host: string, port: number): Socket {
  const where = { host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: 10_000 };
  if (settings.tls === undefined) return connect(where);
  const { cert, key, ca } = settings.tls;
  // Only the chain is checked: `ca` is the cluster's own and signs its hosts alone, which are dialled by whatever address they have today.
  return connectTls({ ...where, cert, key, ca, rejectUnauthorized: true, checkServerIdentity: () => undefined, minVersion: 'TLSv1.3' });
}

function messageOf(cause: unknown): string {
  if (cause === undefined) return 'the connection was closed';
  const { message, code } = cause as { readonly message?: string; readonly code?: string };
  return message || code || String(cause); // that of several addresses tried has a code and no message
}
