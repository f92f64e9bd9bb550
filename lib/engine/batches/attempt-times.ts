/** When the attempts of a report ran, as they are recorded. */
import type { TimedAttempts } from '../../journal/pending-records.ts';
import type { Exception } from '../../scheduling/scheduler/events.ts';
import type { Batch } from '../../scheduling/scheduler/state.ts';
import type { BatchReport } from '../../workers/node/thread-messages.ts';
import { placeOf } from '../../workers/node/wire.ts';

/**
 * The attempts of a report, one after the other until now. Undefined when nothing of them was measured.
 *
 * @param now ms since the epoch
 */
export function timesOf(
  { functions, thread: { node, index: thread } }: Batch,
  { first, count, durations: measured }: BatchReport,
  exceptions: readonly Exception[],
  now: number,
): TimedAttempts | undefined {
  const durations: number[] = [];
  let counted = 0;
  let micros = 0;
  for (let k = 0; k < measured.length; k += 3) {
    const together = placeOf(measured[k + 1]!)?.count ?? measured[k + 1]!;
    const duration = Math.round(measured[k + 2]! * 1000);
    // A report of another host may say anything.
    if (!Number.isInteger(together) || !Number.isSafeInteger(duration) || duration < 0) return undefined;
    durations.push(together, duration);
    counted += together;
    micros += duration;
  }
  const ran: number[] = [];
  const failed: number[] = [];
  let next = 0;
  for (let at = first; at < first + count; at++) {
    const kind = exceptions[next]?.index === at ? exceptions[next++]!.kind : undefined;
    if (kind === 'skipped') continue;
    if (kind === 'failed') failed.push(ran.length);
    ran.push(functions[at]!);
  }
  if (ran.length === 0 || counted !== ran.length) return undefined;
  return { node: node.name, thread, functions: ran, begun: now - micros / 1000, durations, failed };
}
