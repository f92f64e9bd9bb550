/** Hosts prove themselves to each other on a stream through a broker, as they do over TCP. */
import type { Duplex } from 'node:stream';
import { connect as connectTls, createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { HandoffError } from '../../../core/errors.ts';
import type { Card } from '../tcp/card.ts';
import { handshake } from '../tcp/handshake.ts';
import { HelloExchange, type Proven } from '../tcp/hello.ts';
import { checkPeer, dialFailure, dialOptions, listenFailure, listenOptions, type Security } from '../tcp/secure.ts';
import type { ChannelKind } from '../transport.ts';

export interface ProofOptions {
  /** The kind of channel to open; undefined: the other host has requested the stream. */
  readonly dials: ChannelKind | undefined;
  readonly security: Security;
  readonly card: () => Card;
  /** The other side's name in errors. */
  readonly peerName: string;
  /** The other side knows the secret. */
  readonly vouched?: () => void;
  /** Aborts with its reason, such as after a time. */
  readonly signal: AbortSignal;
}

/**
 * @param proved called within an event of the stream, so that no data is lost. The stream is the given one, or the
 *   encrypted one on it
 * @throws `UNAUTHORIZED`, `VERSION_MISMATCH`, `PROTOCOL_ERROR` or `NODE_DOWN`; the reason of the signal
 */
export function prove<Result>(
  raw: Duplex,
  options: ProofOptions,
  proved: (stream: Duplex, proven: Proven) => Result,
): Promise<Result> {
  const { dials, security, card, peerName, signal, vouched } = options;
  return new Promise((resolve, reject) => {
    const failure = dials === undefined ? listenFailure : dialFailure;
    let stream = raw;
    let cause: unknown;
    const stop = (): void => {
      signal.removeEventListener('abort', onAbort);
      raw.off('close', onClose);
    };
    const fail = (error: unknown): void => {
      stop();
      reject(error as Error);
    };
    const onAbort = (): void => {
      fail(signal.reason);
      stream.destroy();
      raw.destroy();
    };
    const onClose = (): void =>
      fail(
        failure(cause, security, peerName) ??
          new HandoffError('NODE_DOWN', `${peerName} ended the connection before it was proven`, { cause }),
      );
    const noteError = (error: unknown): void => void (cause ??= error);
    const exchange = (on: Duplex): void => {
      stream = on;
      raw.off('close', onClose); // from here on the exchange explains an end
      if (security.kind !== 'none') {
        const refused = checkPeer(on as TLSSocket, security, peerName);
        if (refused !== undefined) {
          fail(refused.error);
          return void on.destroy();
        }
      }
      const hello = new HelloExchange({ dials, proof: undefined, card, peerName });
      return handshake(
        on,
        hello,
        (proven) => {
          stop();
          resolve(proved(on, proven));
        },
        (error) => fail(failure(error.cause, security, peerName) ?? error),
      );
    };
    raw.on('error', noteError);
    raw.on('close', onClose);
    signal.addEventListener('abort', onAbort);
    if (security.kind === 'none') return exchange(raw);
    const secured = (tls: TLSSocket): void => exchange(tls.on('error', noteError));
    if (dials !== undefined) {
      const tls = connectTls({ socket: raw, ...dialOptions(security) });
      stream = tls.on('error', noteError);
      return void tls.once('secureConnect', () => secured(tls));
    }
    createTlsServer(
      listenOptions(security, () => vouched?.()),
      secured,
    )
      .on('tlsClientError', (error, tls) => {
        noteError(error);
        tls.destroy();
        raw.destroy();
      })
      .emit('connection', raw);
  });
}
