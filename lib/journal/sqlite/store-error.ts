/** Errors of SQLite and of the file system, with advice. */
import { textOf } from '../../core/error-wire.ts';
import { HandoffError } from '../../core/errors.ts';

/** @param what such as `'opened'` */
export function storeFailed(store: 'journal' | 'cache', path: string, what: string, error: unknown): HandoffError {
  if (error instanceof HandoffError) return error;
  return new HandoffError(
    'JOURNAL_FAILED',
    `The ${store} in ${path} cannot be ${what}: ${textOf(error)}.${adviceFor(error)}`,
    { cause: error },
  );
}

export function newerVersion(store: 'journal' | 'cache', path: string, found: number, known: number): HandoffError {
  return new HandoffError(
    'JOURNAL_FAILED',
    `The ${store} in ${path} has version ${found}, and this version of Handoff reads up to ${known}. Update Handoff, or use another folder.`,
  );
}

/** Whether an error says that a database file is damaged, or is none. */
export function isDamage(error: unknown): boolean {
  const primary = primaryOf(error);
  return primary === 11 || primary === 26;
}

/** What helps against an error of SQLite or of the file system. */
function adviceFor(error: unknown): string {
  const { code } = error as { readonly code?: string };
  const primary = primaryOf(error);
  if (code === 'ENOSPC' || primary === 13) return ' The disk is full: free space on it.';
  if (code === 'EACCES' || code === 'EROFS' || code === 'EPERM' || primary === 8 || primary === 14)
    return ' Choose a folder in which this process may write.';
  if (isDamage(error)) return ' Its file is damaged: restore a backup, or use another folder.';
  if (primary === 5) return ' Another process has been writing to it for too long.';
  return '';
}

function primaryOf(error: unknown): number {
  return ((error as { readonly errcode?: number }).errcode ?? 0) & 0xff;
}
