/** Converts a worker's report of times and result sizes into input for the estimates. */
import type { BatchReport } from '../../workers/node/thread-messages.ts';
import { placeOf } from '../../workers/node/wire.ts';
import type { Measured } from '../../scheduling/scheduler/events.ts';
import type { Batch } from '../../scheduling/scheduler/state.ts';
import type { Intake } from '../batches/report-decoder.ts';
import type { CostModel } from '../../scheduling/costs/cost-model.ts';

/** Functions of the same code that were measured together. */
interface Group extends Measured {
  bytes: number;
}

/**
 * The measurements of a report. Long functions and large results are also learned individually. Functions that threw or
 * timed out are left out, because their duration is unknown.
 */
export function measuredIn(
  batch: Batch,
  report: BatchReport,
  { exceptions, large }: Pick<Intake, 'exceptions' | 'large'>,
  learned: CostModel,
): Measured[] {
  if (batch.timedOut) return [];
  const {
    functions,
    run: {
      plan,
      settings: { codes },
    },
    thread: {
      node: { speed, host },
    },
  } = batch;
  const { durations } = report;
  const alone: Measured[] = [];
  const groups: Group[] = [];
  /** Groups that contain a long function, by the positions of their functions. */
  const suspects = new Map<number, Group>();
  const reported = new Set<number>(exceptions.map(({ index }) => index));
  const sizes = new Map(large.map(({ index, bytes }) => [index, bytes]));
  let isSomeKnown = false;
  learned.isChanged ||= durations.length > 0;
  for (let k = 0; k < durations.length; k += 3) {
    const code = durations[k]!;
    const ms = durations[k + 2]!;
    const placed = placeOf(durations[k + 1]!);
    // untrusted input of another process
    if (
      host !== 0 &&
      !(
        codes.includes(code) &&
        ms >= 0 &&
        ms < Infinity &&
        Number.isInteger(durations[k + 1]) &&
        (placed?.index ?? 0) < functions.length
      )
    )
      continue;
    if (placed?.count === 1) {
      learnAlone(code, placed.index, ms);
      continue;
    }
    const group: Group = { code, count: placed?.count ?? durations[k + 1]!, ms, bytes: 0 };
    if (placed === undefined) groups.push(group);
    else suspect(group, placed.index);
    isSomeKnown ||= learned.functionsOf(code).size > 0;
  }
  if (sizes.size > 0 || isSomeKnown) learnOthers();
  return [...alone, ...new Set(suspects.values()), ...groups];

  function learnAlone(code: number, index: number, ms: number): void {
    if (reported.has(index)) return;
    const bytes = sizes.get(index) ?? 0;
    reported.add(index);
    alone.push({ code, count: 1, ms, bytes });
    learned.observe(code, idOf(index), { ms: ms * speed, isAlone: true, bytes });
  }

  /** @param last the last position of the group; functions in between may have been skipped */
  function suspect(group: Group, last: number): void {
    const before = suspects.size;
    for (let index = last; index >= 0 && suspects.size < before + group.count; index--) {
      if (exceptions.every((each) => each.index !== index || each.kind === 'failed')) suspects.set(index, group);
    }
    learned.suspect(group.code, [...suspects.keys()].slice(before).map(idOf), group.ms * speed);
  }

  function learnOthers(): void {
    for (let index = report.first; index < report.first + report.count; index++) {
      if (reported.has(index)) continue;
      const code = codes[plan.code[functions[index]!]!]!;
      const bytes = sizes.get(index) ?? 0;
      const group = suspects.get(index) ?? groups.find((each) => each.code === code);
      if (group !== undefined) group.bytes += bytes;
      // A function that was long before was as short as the others this time; for a suspect the duration is unknown.
      const ms = group === undefined || suspects.has(index) ? undefined : (group.ms / group.count) * speed;
      learned.observe(code, idOf(index), { ms, isAlone: false, bytes });
    }
  }

  function idOf(index: number): string {
    return plan.entries[functions[index]!]!.id;
  }
}
