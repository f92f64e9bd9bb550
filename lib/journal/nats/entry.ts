/**
 * A message of a run's log. Its header says what the run is after it, so that the last message of each subject is the
 * list of all runs. Its body is a chunk, or empty.
 */
import { isRecord } from '../../core/values.ts';
import type { RunSummaryRow } from '../journal.ts';

export interface Entry extends Omit<RunSummaryRow, 'state'> {
  /** `deleted`: the run is gone, and its id may be used again. */
  readonly state: Exclude<RunSummaryRow['state'], 'orphaned'> | 'deleted';
  /** Grows with each owner. */
  readonly term: number;
  /** How many chunks there are up to this message. */
  readonly position: number;
  /** How many messages of this run there are before this one. */
  readonly at: number;
  /** Where the chunk is: in the body, in a blob of this hash, or there is none. */
  readonly chunk: 'body' | 'none' | { readonly blob: string };
}

const states: ReadonlySet<unknown> = new Set(['queued', 'running', 'finished', 'failed', 'cancelled', 'deleted']);
const counts = ['submittedAt', 'functions', 'done', 'cached', 'failed', 'term', 'position', 'at'] as const;

export function encodeEntry(entry: Entry): string {
  return JSON.stringify(entry);
}

/** Undefined when the text is no entry. */
export function decodeEntry(text: string): Entry | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return undefined;
  }
  return isEntry(parsed) ? { ...parsed, endedAt: parsed.endedAt, owner: parsed.owner } : undefined;
}

function isEntry(value: unknown): value is Entry {
  if (!isRecord(value)) return false;
  const { runId, dagId, state, endedAt, owner, chunk } = value;
  return (
    typeof runId === 'string' &&
    typeof dagId === 'string' &&
    states.has(state) &&
    counts.every((name) => Number.isFinite(value[name])) &&
    (endedAt === undefined || Number.isFinite(endedAt)) &&
    (owner === undefined || typeof owner === 'string') &&
    (chunk === 'body' || chunk === 'none' || (isRecord(chunk) && typeof chunk['blob'] === 'string'))
  );
}
