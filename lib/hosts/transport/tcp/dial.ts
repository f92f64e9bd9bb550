/** Connects to a host, and proves itself. */
import { connect, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { setTimeout as wait } from 'node:timers/promises';
import { HandoffError } from '../../../core/errors.ts';
import type { ChannelKind } from '../transport.ts';
import { type Endpoint, needAddress } from './address.ts';
import type { Card } from './card.ts';
import { hello, HelloExchange, type Proven } from './hello.ts';
import { bindingOf, dialFailure, dialOptions, judge, plain, type Security } from './secure.ts';
import { part, shake } from './shake.ts';
import { checkOwner } from './unix-socket.ts';

export interface DialOptions {
  readonly address: string;
  readonly kind: ChannelKind;
  readonly card: () => Card;
  readonly handshakeTimeout: number;
  /** How connections over TCP are made safe. */
  readonly security: () => Promise<Security>;
  /** Gives up, for its reason. */
  readonly signal: AbortSignal;
}

export interface Dialled {
  readonly socket: Socket;
  readonly proven: Proven;
}

/**
 * A connection that was closed before anything was heard is tried again so often: a host under siege may have had to
 * let it go.
 */
const attempts = 6;
/** ms before the second attempt, on average; twice as long before each that follows. */
const firstDelay = 20;

/** A connection was closed before anything came. */
class Unheard extends Error {}

/**
 * @param proved called from an event of the socket, so that none is lost
 * @throws `INVALID_OPTION` when the address is none; `UNAUTHORIZED`, `VERSION_MISMATCH`, `PROTOCOL_ERROR`, `NODE_DOWN`;
 *   the reason of the signal
 */
export async function dial<Result>(options: DialOptions, proved: (dialled: Dialled) => Result): Promise<Result> {
  const { address, handshakeTimeout, signal } = options;
  const endpoint = needAddress(address);
  if ('path' in endpoint) checkOwner(endpoint.path);
  const security = 'path' in endpoint ? plain : await options.security();
  const deadline = performance.now() + handshakeTimeout;
  for (let attempt = 1, delay = firstDelay; ; attempt++, delay *= 2) {
    signal.throwIfAborted();
    try {
      return await dialOnce(options, endpoint, security, deadline - performance.now(), proved);
    } catch (error) {
      if (!(error instanceof Unheard)) throw error;
      if (attempt === attempts || performance.now() + 2 * delay > deadline) {
        throw new HandoffError(
          'NODE_DOWN',
          `the host at ${address} closed the connection before it said hello, ${attempt} times. Is it a Handoff host?`,
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
  patience: number,
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
        const how = connected ? `${peerName} accepts connections and says nothing` : `nobody answers at ${address}`;
        fail(
          new HandoffError(
            'NODE_DOWN',
            `${how}, for ${handshakeTimeout} ms (handshakeTimeout).${connected ? ' Is it a Handoff host?' : ''}`,
          ),
        );
      },
      Math.max(1, patience),
    );

    socket.on('error', (error) => (cause ??= error));
    /** What it means that the connection ends before it is up. */
    const onClose = (): void => {
      const failure = dialFailure(cause, security, peerName);
      if (failure !== undefined) return fail(failure);
      if (!connected)
        return fail(new HandoffError('NODE_DOWN', `nobody answers at ${address}: ${messageOf(cause)}`, { cause }));
      return fail(new Unheard('closed', { cause }));
    };
    socket.on('close', onClose);
    socket.once('connect', () => (connected = true));
    socket.once(security.kind === 'none' ? 'connect' : 'secureConnect', () => {
      socket.off('close', onClose); // from here on, the exchange knows better what it means
      const verdict = security.kind === 'none' ? undefined : judge(socket as TLSSocket, security, peerName);
      if (verdict !== undefined) {
        part(socket, hello(kind, false, verdict.refusal));
        stop();
        return reject(verdict.error);
      }
      const key = security.kind === 'certificates' ? security.key : undefined;
      const exchange = new HelloExchange({
        dials: kind,
        proof: key === undefined ? undefined : { key, binding: bindingOf(socket as TLSSocket) },
        card,
        peerName,
      });
      return shake(
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
                ? new Unheard('closed', { cause: error.cause })
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
  return message || code || String(cause); // that of several addresses tried has a code and no message
}
