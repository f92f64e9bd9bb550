/** A worker's report taken in: results into the store, the rest to the scheduler. */
import { toErrorWire } from '../error-wire.ts';
import { HandoffError } from '../errors.ts';
import type { BatchReport } from '../node/lane-events.ts';
import { type FailureWire, ReportKind } from '../node/wire.ts';
import type { Exception, LargeResult } from '../scheduler/events.ts';
import { type Batch, Status } from '../scheduler/state.ts';
import { bytesOf, Payload, type PayloadData } from '../store/payload.ts';
import type { RunResults } from '../store/run-results.ts';

export interface Intake {
  /** What gave no result. */
  readonly exceptions: Exception[];
  /** Functions whose results could not be read by who takes them. */
  readonly lost: number[];
  /** Functions whose results another host holds. */
  readonly remote: number[];
  readonly large: LargeResult[];
}

export interface IntakeOptions {
  /** Bytes that all results together may hold; undefined: any number. */
  readonly budget: number | undefined;
  /** Whether it matters where results are. */
  readonly isSpread: boolean;
}

export function takeIn(batch: Batch, results: RunResults, { first, count, exceptions, values }: BatchReport, { budget = Infinity, isSpread }: IntakeOptions): Intake {
  const intake: Intake = { exceptions: [], lost: [], remote: [], large: [] };
  if (batch.timedOut) return intake; // its attempt has failed, whatever it gave in the end
  const { functions, run } = batch;
  let next = 0;
  for (let index = first; index < first + count; index++) {
    const value = values[index - first];
    const i = functions[index]!;
    const isWanted = run.status[i] === Status.dispatched; // what it needed may have failed since, made anew
    if (exceptions[next] !== index) {
      if (isWanted) results.put(i, value);
      continue;
    }
    const kind = exceptions[next + 1];
    next += 2;
    if (kind === ReportKind.payload) {
      const payload = new Payload(value as PayloadData);
      if (payload.byteLength > budget) intake.exceptions.push({ index, kind: 'failed', error: toErrorWire(tooLarge(payload.byteLength, budget)), retryable: false });
      else if (isWanted) {
        results.put(i, payload);
        if (payload.data.kind === 'remote') intake.remote.push(i);
        if (isSpread && payload.data.kind !== 'error') intake.large.push({ index, bytes: bytesOf(payload.data) });
      }
    } else if (kind === ReportKind.failed) {
      intake.exceptions.push({ index, kind: 'failed', ...(value as FailureWire) });
    } else {
      if (kind === ReportKind.lost) intake.lost.push(...results.inFile(value as string));
      intake.exceptions.push({ index, kind: 'skipped' });
    }
  }
  return intake;
}

function tooLarge(bytes: number, budget: number): HandoffError {
  return new HandoffError('RESOURCES_UNAVAILABLE', `The result takes ${bytes} bytes, and all results together may hold ${budget} (memoryBudget).`);
}
