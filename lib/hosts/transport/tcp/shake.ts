/** The exchange of hellos on a socket. */
import type { Socket } from 'node:net';
import { HandoffError } from '../../../core/errors.ts';
import type { HelloExchange, Proven } from './hello.ts';

/**
 * Begins the exchange. Exactly one of the two is called, from an event of the socket, so that no event is lost to
 * whoever goes on with it.
 *
 * @param proved given what follows on the socket
 * @param failed the socket is ended then, after what is left to say
 */
export function shake(
  socket: Socket,
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
    part(socket, exchange.farewell);
    failed(error);
  };
  socket.on('data', onData).on('error', onError).on('end', onEnd).on('close', onEnd);
  if (exchange.opening.length > 0) socket.write(exchange.opening);
}

// ms for the other side to read why it is refused.
const lastWords = 1000;

/**
 * Ends a socket, with a last word where there is one. What comes meanwhile is thrown away: unread, it would reset the
 * connection.
 */
export function part(socket: Socket, lastWord: Buffer | undefined): void {
  socket.on('error', () => undefined);
  if (lastWord === undefined || socket.destroyed) return void socket.destroy();
  socket.end(lastWord);
  socket.resume();
  const timer = setTimeout(() => socket.destroy(), lastWords);
  socket.on('close', () => clearTimeout(timer));
}
