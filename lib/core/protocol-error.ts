import { HandoffError } from './errors.ts';

/**
 * The error for a message of another host that cannot be right: `PROTOCOL_ERROR`.
 *
 * @param text a sentence
 */
export function protocolError(text: string, options: { readonly cause?: unknown } = {}): HandoffError {
  return new HandoffError('PROTOCOL_ERROR', `${text} Run the same version of handoffjs on all hosts.`, options);
}
