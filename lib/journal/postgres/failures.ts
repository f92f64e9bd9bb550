/** What went wrong with a database: whether to try again, and what helps. */
import { textOf } from '../../core/error-wire.ts';
import { HandoffError, isHandoffError } from '../../core/errors.ts';

/** The connection is gone or cannot be made, or the server cannot work just now. */
const passing = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ENOENT', // the Unix socket of a server that restarts
  '25006', // read-only: a standby, before or after a failover
  '25P03', // the process has slept within a transaction
  '40001', // serialization failure
  '40P01', // deadlock
  '53300', // too many connections
  '57P01', // the server shuts down
  '57P02',
  '57P03', // the server starts
  '57P05',
]);

/** Texts of errors of the client that have no code. */
const passingText = /connection terminated|timeout|connection error|not queryable|connection ended/i;

/** Whether the same may succeed later, over another connection. */
export function isPassing(error: unknown): boolean {
  if (isHandoffError(error)) return false;
  const code = codeOf(error);
  return code === undefined ? passingText.test(messageOf(error)) : passing.has(code) || code.startsWith('08');
}

/**
 * @param place names the database, without secrets
 * @param what "opened", "read" or "written"
 */
export function journalFailed(place: string, what: string, error: unknown): HandoffError {
  if (error instanceof HandoffError) return error;
  // Errors of the client may carry what it was connected with, so only their text goes on.
  const cause = Object.assign(new Error(messageOf(error)), { code: codeOf(error) });
  return new HandoffError(
    'JOURNAL_FAILED',
    `The journal at ${place} cannot be ${what}: ${messageOf(error)}.${adviceFor(codeOf(error) ?? '')}`,
    { cause },
  );
}

function adviceFor(code: string): string {
  if (code === '28P01' || code === '28000') return ' Check the user and the password.';
  if (code === '3D000') return ' Create the database.';
  if (code === '42501')
    return ' Give the user the right to create a schema in the database, or a schema in which it may create tables.';
  if (code === '53100') return ' The disk of the server is full: free space on it.';
  if (passing.has(code) || code.startsWith('08')) return ' Check that the server runs and can be reached.';
  return '';
}

function codeOf(error: unknown): string | undefined {
  const { code, errors } = Object(error) as { readonly code?: unknown; readonly errors?: readonly unknown[] };
  if (typeof code === 'string') return code;
  return errors?.[0] === undefined ? undefined : codeOf(errors[0]);
}

/** One that stands for several attempts to connect has no text of its own. */
function messageOf(error: unknown): string {
  const { errors } = Object(error) as { readonly errors?: readonly unknown[] };
  const text = textOf(error);
  return text === '' && errors?.[0] !== undefined ? messageOf(errors[0]) : text.replace(/\.$/, '');
}
