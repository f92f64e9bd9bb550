/** Runs the handshake on a socket. */
import type { Duplex } from 'node:stream';
import { HandoffError } from '../../../core/errors.ts';
import type { HelloExchange, Proven } from './hello.ts';

/**
 * Starts the handshake. Calls exactly one of the two callbacks, within a socket event, so that the next reader loses no
 * event.
 *
 * @param proved the socket is ready for frames
 * @param failed the socket is closing, after the farewell if there is one
 */
export function handshake(
  socket: Duplex,
  exchange: HelloExchange,
  proved: (proven: Proven) => void,
  failed: (error: HandoffError) => void,
): void {
  let cause: unknown;
  const onData = (bytes: Buffer): void => {
    let answer: Buffer;
    try {
      answer = exchange.take(bytes);
    } catch (error) {
      return fail(error as HandoffError);
    }
    if (answer.length > 0) socket.write(answer);
    if (exchange.proven === undefined) return;
    stop();
    proved(exchange.proven);
  };
  const onError = (error: unknown): void => void (cause = error);
  const onEnd = (): void => fail(exchange.broken(cause));
  const stop = (): void => void socket.off('data', onData).off('error', onError).off('end', onEnd).off('close', onEnd);
  const fail = (error: HandoffError): void => {
    stop();
    endSocket(socket, exchange.farewell);
    failed(error);
  };
  socket.on('data', onData).on('error', onError).on('end', onEnd).on('close', onEnd);
  if (exchange.opening.length > 0) socket.write(exchange.opening);
}

// ms for the other side to read the reason of a refusal.
const farewellTimeoutMs = 1000;

/**
 * Ends a socket, after a last message if there is one. Incoming data is read and dropped: unread data would reset the
 * connection.
 */
export function endSocket(socket: Duplex, farewell: Buffer | undefined): void {
  socket.on('error', () => undefined);
  if (farewell === undefined || socket.destroyed) return void socket.destroy();
  socket.end(farewell);
  socket.resume();
  const timer = setTimeout(() => socket.destroy(), farewellTimeoutMs);
  socket.on('close', () => clearTimeout(timer));
}
