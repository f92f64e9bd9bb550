/** What went wrong at the NATS servers: whether to try again, and what helps. */
import { textOf } from '../../core/error-wire.ts';
import { HandoffError, isHandoffError } from '../../core/errors.ts';

/** The sequence of the last message of a subject is another one. Newer servers have a code of their own for it. */
const wrongLastSequence = new Set([10071, 10164]);

/** Errors of the client: no server answers, or it cannot work just now, such as while a cluster elects a leader. */
const passing = new Set([
  'TimeoutError',
  'JetStreamNotEnabled',
  'NoRespondersError',
  'RequestError',
  'ConnectionError',
  'DrainingConnectionError',
]);

/** Whether another process has written to the subject. */
export function isConflict(error: unknown): boolean {
  const code = codeOf(error);
  return code !== undefined && wrongLastSequence.has(code);
}

/** Whether the same may succeed later. */
export function isPassing(error: unknown): boolean {
  if (isHandoffError(error)) return false;
  const { name, status } = Object(error) as { readonly name?: string; readonly status?: number };
  return passing.has(name ?? '') || status === 503;
}

/**
 * @param place names the servers, without secrets
 * @param what "opened", "read" or "written"
 */
export function journalFailed(place: string, what: string, error: unknown): HandoffError {
  if (error instanceof HandoffError) return error;
  const text = textOf(error).replace(/\.$/, '');
  return new HandoffError(
    'JOURNAL_FAILED',
    `The journal at ${place} cannot be ${what}: ${text}.${adviceFor(error, text)}`,
    { cause: error },
  );
}

function adviceFor(error: unknown, text: string): string {
  const { name } = Object(error) as { readonly name?: string };
  if (name === 'JetStreamNotEnabled' || /not enabled/.test(text))
    return ' Enable JetStream at the server, such as by nats-server --jetstream, and for the account of this host.';
  if (/permission/i.test(text))
    return ' Allow this host to publish to $JS.API.>, $JS.FC.> and $KV.>, beside all subjects of its namespace.';
  if (/insufficient|maximum bytes|resource|no suitable peers/i.test(text))
    return ' Give JetStream more space, or start as many servers as there are replicas.';
  if (isPassing(error)) return ' Check that the servers run and can be reached, and that most of a cluster are up.';
  return '';
}

function codeOf(error: unknown): number | undefined {
  const { code } = Object(error) as { readonly code?: unknown };
  return typeof code === 'number' ? code : undefined;
}
