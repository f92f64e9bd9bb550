/** A handshake on a socket. */
import type { Socket } from 'node:net';
import { HandoffError } from '../../../core/errors.ts';
import type { Handshake, Proven } from './handshake.ts';

/**
 * Begins the handshake. Exactly one of the two is called, from an event of the socket, so that no event is lost to whoever goes on with it.
 *
 * @param proved given what follows on the socket
 * @param failed the socket is destroyed then
 */
export function shake(socket: Socket, handshake: Handshake, proved: (proven: Proven) => void, failed: (error: HandoffError) => void): void {
  let cause: unknown;
  const onData = (bytes: Buffer): void => {
    let answer: Buffer;
    try {
      answer = handshake.take(bytes);
    } catch (error) {
      return fail(error as HandoffError);
    }
    if (answer.length > 0) socket.write(answer);
    if (handshake.proven === undefined) return;
    stop();
    proved(handshake.proven);
  };
  const onError = (error: unknown): void => void (cause = error);
  const onEnd = (): void => fail(handshake.broken(cause));
  const stop = (): void => void socket.off('data', onData).off('error', onError).off('end', onEnd).off('close', onEnd);
  const fail = (error: HandoffError): void => {
    stop();
    socket.on('error', () => undefined); // of no matter any more
    socket.destroy();
    failed(error);
  };
  socket.on('data', onData).on('error', onError).on('end', onEnd).on('close', onEnd);
  socket.write(handshake.hello);
}
