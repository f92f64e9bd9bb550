/** Decodes a worker's report: results go to the store, the rest to the scheduler. */
import { Flag, type OtherResult } from '../../dag/compile/compiled-dag.ts';
import { toErrorWire } from '../../core/error-wire.ts';
import { HandoffError } from '../../core/errors.ts';
import type { BatchReport } from '../../workers/node/thread-messages.ts';
import { type AnswerWire, type FailureWire, ReportKind } from '../../workers/node/wire.ts';
import type { Exception, LargeResult } from '../../scheduling/scheduler/events.ts';
import { isWanted } from '../../scheduling/scheduler/speculation/race.ts';
import type { Batch } from '../../scheduling/scheduler/state.ts';
import { bytesOf, Payload, type PayloadData } from '../../workers/store/payload.ts';
import type { RunResults } from '../../workers/store/run-results.ts';
import { inFile, otherLost, type OtherResults } from '../results/other-results.ts';

export interface Intake {
  /** Functions without a result. */
  readonly exceptions: Exception[];
  /** Functions whose results their consumer could not read. */
  readonly lost: number[];
  /** Functions whose results are on another host. */
  readonly remote: number[];
  /** Results in shared memory or files, on any host. */
  readonly large: LargeResult[];
  /** Graphs that functions answered with, by function. */
  readonly answers: (readonly [i: number, answer: AnswerWire])[];
  /** Positions of conditions whose result is falsy. */
  readonly falsy: number[];
}

/** @param budget limit in bytes for all results together */
export function takeIn(
  batch: Batch,
  results: RunResults,
  { first, count, exceptions, values }: BatchReport,
  others: OtherResults,
  budget = Infinity,
): Intake {
  const intake: Intake = { exceptions: [], lost: [], remote: [], large: [], answers: [], falsy: [] };
  if (batch.timedOut) return intake; // the attempt has failed, whatever it returned
  const { functions, run } = batch;
  const { flags, branches } = run.plan;
  let next = 0;
  for (let index = first; index < first + count; index++) {
    const value = values[index - first];
    const i = functions[index]!;
    const isResultWanted = isWanted(batch, i);
    if (exceptions[next] !== index) {
      if (isResultWanted) results.put(i, value);
      // No falsy value travels as a payload.
      if (branches !== null && !value && (flags[i]! & Flag.decides) !== 0) intake.falsy.push(index);
      continue;
    }
    const kind = exceptions[next + 1];
    next += 2;
    if (kind === ReportKind.payload) {
      const payload = new Payload(value as PayloadData);
      if (payload.byteLength > budget)
        intake.exceptions.push({
          index,
          kind: 'failed',
          error: toErrorWire(tooLarge(payload.byteLength, budget)),
          retryable: false,
        });
      else if (isResultWanted) {
        results.put(i, payload);
        if (payload.data.kind === 'remote') intake.remote.push(i);
        if (payload.data.kind !== 'error') intake.large.push({ index, bytes: bytesOf(payload.data) });
      }
    } else if (kind === ReportKind.expanded) {
      if (isResultWanted) intake.answers.push([i, value as AnswerWire]);
      intake.exceptions.push({ index, kind: 'expanded' });
    } else if (kind === ReportKind.failed) {
      intake.exceptions.push({ index, kind: 'failed', ...(value as FailureWire) });
    } else {
      const other = kind === ReportKind.lost ? inFile(others, value as string) : undefined;
      if (kind === ReportKind.lost) intake.lost.push(...results.inFile(value as string));
      intake.exceptions.push(other === undefined ? { index, kind: 'skipped' } : gone(index, other));
    }
  }
  return intake;
}

/** The results of a report that are on another host. */
export function heldElsewhere({ first, exceptions, values }: BatchReport): Payload[] {
  const held: Payload[] = [];
  for (let k = 0; k < exceptions.length; k += 2) {
    if (exceptions[k + 1] !== ReportKind.payload) continue;
    const payload = new Payload(values[exceptions[k]! - first] as PayloadData);
    if (payload.data.kind === 'remote') held.push(payload);
  }
  return held;
}

/** The result of another run cannot be made again here. */
function gone(index: number, other: OtherResult): Exception {
  const error = otherLost(other, 'its file cannot be read. Run its DAG again.');
  return { index, kind: 'failed', error: toErrorWire(error), retryable: false };
}

function tooLarge(bytes: number, budget: number): HandoffError {
  return new HandoffError(
    'RESULT_TOO_LARGE',
    `The result takes ${bytes} bytes, and all results together may hold ${budget}. Return less, or raise memoryBudget.`,
  );
}
