/** Connects to a host and completes the handshake. */
import { connect, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { setTimeout as wait } from 'node:timers/promises';
import { HandoffError } from '../../../core/errors.ts';
import type { ChannelKind } from '../transport.ts';
import { type Endpoint, needAddress } from './address.ts';
import type { Card } from './card.ts';
import { hello, HelloExchange, type Proven } from './hello.ts';
import { bindingOf, dialFailure, dialOptions, checkPeer, plain, type Security } from './secure.ts';
import { endSocket, handshake } from './handshake.ts';
import { checkOwner } from './unix-socket.ts';

export interface DialOptions {
  readonly address: string;
  readonly kind: ChannelKind;
  readonly card: () => Card;
  readonly handshakeTimeout: number;
  /** The encryption of TCP connections. */
  readonly security: () => Promise<Security>;
  /** Aborts the attempt with its reason. */
  readonly signal: AbortSignal;
}

export interface Dialled {
  readonly socket: Socket;
  readonly proven: Proven;
}

/**
 * How many times to retry a connection that was closed before any data arrived: a host with too many open handshakes
 * may have dropped it.
 */
const maxAttempts = 12;
/** Average ms before the second attempt; doubles with each further one, up to the maximum. */
const minDelayMs = 20;
const maxDelayMs = 160;

const startThere = 'Start one there (handoff node --listen), or check the address and the firewall';

/** The connection was closed before any data arrived. */
class ClosedBeforeData extends Error {}

/**
 * @param proved called within a socket event, so that no event is lost
 *
 * @throws `INVALID_OPTION` when the address is not valid; `UNAUTHORIZED` when the proof fails on either side;
 *   `VERSION_MISMATCH` when the other host speaks another version; `PROTOCOL_ERROR` when it is no Handoff host;
 *   `NODE_DOWN` when no host answers; the reason of the signal
 */
export async function dial<Result>(options: DialOptions, proved: (dialled: Dialled) => Result): Promise<Result> {
  const { address, handshakeTimeout, signal } = options;
  const endpoint = needAddress(address);
  if ('path' in endpoint) checkOwner(endpoint.path);
  const security = 'path' in endpoint ? plain : await options.security();
  const deadline = performance.now() + handshakeTimeout;
  for (let attempt = 1, delay = minDelayMs; ; attempt++, delay = Math.min(maxDelayMs, 2 * delay)) {
    signal.throwIfAborted();
    try {
      return await dialOnce(options, endpoint, security, deadline - performance.now(), proved);
    } catch (error) {
      if (!(error instanceof ClosedBeforeData)) throw error;
      if (attempt === maxAttempts || performance.now() + 2 * delay > deadline) {
        throw new HandoffError(
          'NODE_DOWN',
          `the host at ${address} closed ${attempt} connections at once. Check that a Handoff host of the same version listens there`,
          { cause: error.cause },
        );
      }
    }
    await wait(delay * (0.5 + Math.random()), undefined, { signal }).catch(() => signal.throwIfAborted());
  }
}

function dialOnce<Result>(
  { address, kind, card, handshakeTimeout, signal }: DialOptions,
  endpoint: Endpoint,
  security: Security,
  timeoutMs: number,
  proved: (dialled: Dialled) => Result,
): Promise<Result> {
  return new Promise((resolve, reject) => {
    const peerName = `the host at ${address}`;
    const socket = open(security, endpoint);
    let connected = false;
    let cause: unknown;
    const stop = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    };
    const fail = (error: unknown): void => {
      stop();
      socket.off('close', onClose);
      socket.destroy();
      reject(error as Error);
    };
    const onAbort = (): void => fail(signal.reason);
    signal.addEventListener('abort', onAbort);
    const timer = setTimeout(
      () => {
        const how = connected ? `${peerName} accepts connections but sends nothing` : `no host answers at ${address}`;
        const advice = connected ? 'Check that a Handoff host listens there' : startThere;
        fail(new HandoffError('NODE_DOWN', `${how}, for ${handshakeTimeout} ms (handshakeTimeout). ${advice}`));
      },
      Math.max(1, timeoutMs),
    );

    socket.on('error', (error) => (cause ??= error));
    /** The error for a connection that ends before it is established. */
    const onClose = (): void => {
      const failure = dialFailure(cause, security, peerName);
      if (failure !== undefined) return fail(failure);
      if (!connected)
        return fail(
          new HandoffError('NODE_DOWN', `no host answers at ${address}: ${messageOf(cause)}. ${startThere}`, { cause }),
        );
      return fail(new ClosedBeforeData('closed', { cause }));
    };
    socket.on('close', onClose);
    socket.once('connect', () => (connected = true));
    socket.once(security.kind === 'none' ? 'connect' : 'secureConnect', () => {
      socket.off('close', onClose); // from here on the exchange explains an end
      const refused = security.kind === 'none' ? undefined : checkPeer(socket as TLSSocket, security, peerName);
      if (refused !== undefined) {
        endSocket(socket, hello(kind, false, refused.refusal));
        stop();
        return reject(refused.error);
      }
      const key = security.kind === 'certificates' ? security.key : undefined;
      const exchange = new HelloExchange({
        dials: kind,
        proof: key === undefined ? undefined : { key, binding: bindingOf(socket as TLSSocket) },
        card,
        peerName,
      });
      return handshake(
        socket,
        exchange,
        (proven) => {
          stop();
          resolve(proved({ socket, proven }));
        },
        (error) => {
          stop();
          const failure = dialFailure(error.cause, security, peerName);
          reject(
            failure ??
              (error.code === 'NODE_DOWN' && exchange.unanswered
                ? new ClosedBeforeData('closed', { cause: error.cause })
                : error),
          );
        },
      );
    });
  });
}

function open(security: Security, endpoint: Endpoint): Socket {
  const where = { ...endpoint, noDelay: true, keepAlive: true, keepAliveInitialDelay: 10_000 };
  return security.kind === 'none' ? connect(where) : connectTls({ ...where, ...dialOptions(security) });
}

function messageOf(cause: unknown): string {
  if (cause === undefined) return 'the connection was closed';
  const { message, code } = cause as { readonly message?: string; readonly code?: string };
  return message || code || String(cause); // the error for several tried addresses has a code but no message
}
