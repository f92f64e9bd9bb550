/** Checks whether a report of another host fits the batch that it was sent. */
import type { BatchReport } from '../../workers/node/thread-messages.ts';
import { placeOf, ReportKind } from '../../workers/node/wire.ts';
import { protocolError } from '../../core/protocol-error.ts';

const lastKind = Math.max(...Object.values(ReportKind));

/**
 * @param size how many functions the batch has
 *
 * @throws `PROTOCOL_ERROR` when it reports functions outside the batch, or not one value per function
 */
export function checkReport({ first, count, exceptions, durations, spans, values }: BatchReport, size: number): void {
  const isWithin = count > 0 && first + count <= size;
  // Results that are no longer needed are left out.
  const hasValues =
    values.length === count || (values.length === 0 && exceptions.length === 0 && durations.length === 0);
  const fits =
    isWithin &&
    hasValues &&
    areDurations(durations, size) &&
    (spans === null || spans.length === 2 * count || spans.length === 0) &&
    areExceptions(exceptions, first, values.length);
  if (!fits)
    throw protocolError(
      `A peer reported functions ${first} to ${first + count} of a batch of ${size}, with ${values.length} values: expected functions of the batch, with one value each.`,
    );
}

/** Whether they are triples of a code, a count or the place of one function of the batch, and ms. */
function areDurations(durations: readonly number[], size: number): boolean {
  if (durations.length % 3 !== 0) return false;
  for (let k = 0; k < durations.length; k += 3) {
    const [code, given, ms] = [durations[k]!, durations[k + 1]!, durations[k + 2]!];
    const { index = 0, count } = placeOf(given) ?? { count: given };
    if (code < 0 || ms < 0 || !Number.isInteger(given) || index >= size || count > size) return false;
  }
  return true;
}

/** Whether they are pairs of an index, increasing and within the report, and a known kind. */
function areExceptions(exceptions: readonly number[], first: number, count: number): boolean {
  if (exceptions.length % 2 !== 0) return false;
  let last = first - 1;
  for (let k = 0; k < exceptions.length; k += 2) {
    const [index, kind] = [exceptions[k]!, exceptions[k + 1]!];
    if (index <= last || index >= first + count || kind < 1 || kind > lastKind) return false;
    last = index;
  }
  return true;
}
