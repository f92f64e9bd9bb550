/** A batch in its thread, and its progress. */
import type { HandoffError } from '../../../core/errors.ts';
import { BatchFlag } from '../wire.ts';
import { Exports } from './exports.ts';
import { LocalResults } from './local-results.ts';
import type { GangConnections } from './gang-connections.ts';
import { Reader } from './reader.ts';
import { type Post, Report } from './report.ts';

// Results that are older than this, in ms, are reported before the next function begins.
const flushAfterMs = 0.2;

// The same in a gang, where other threads receive the results directly.
const flushAfterInGangMs = 1;

export interface Batch {
  readonly id: number;
  readonly slot: number;
  /** It has one function, which runs beside those of other such batches. */
  readonly isConcurrent: boolean;
  readonly announce: boolean;
  /** Its reports may wait until there is more to report. */
  readonly patient: boolean;
  /** Every function is timed individually. */
  readonly observed: boolean;
  /** See `wire.ts`. */
  readonly origin: number;
  readonly runId: string;
  readonly dagId: string;
  readonly size: number;
  readonly reader: Reader;
  readonly report: Report;
  /** Set when functions take results of the same batch or its gang. */
  readonly held: LocalResults | undefined;
  /** It takes results of other threads. */
  readonly hasImports: boolean;
  /** Results that go to other threads; null: none. */
  readonly exports: Exports | null;
  /** In ms. */
  readonly flushAfter: number;
  /** Report the start of the next function. */
  announceNext: boolean;
  flushedAt: number;
  /** Why the current function has to stop, whether it runs or waits for its code. */
  aborted: HandoffError | undefined;
}

/** Reads a batch message, as described in `wire.ts`. */
export function toBatch(message: readonly unknown[], programs: Int32Array, gang: GangConnections, post: Post): Batch {
  const [, id, slot, flags, origin, runId, dagId, size, program, values, sources, exports] = message as [
    number,
    number,
    number,
    number,
    number,
    string,
    string,
    number,
    number | Int32Array,
    unknown[],
    Int32Array | null,
    Int32Array | null,
  ];
  const announce = (flags & BatchFlag.announce) !== 0;
  const spans = (flags & BatchFlag.spans) !== 0;
  const held =
    (flags & BatchFlag.linked) !== 0 || exports !== null ? new LocalResults(size, sources?.length ?? 0) : undefined;
  if (sources !== null) gang.expect(id, held!, sources);
  return {
    id,
    slot,
    size,
    origin,
    runId,
    dagId,
    isConcurrent: (flags & BatchFlag.concurrent) !== 0,
    announce,
    announceNext: announce,
    observed: announce || spans,
    patient: (flags & BatchFlag.patient) !== 0,
    held,
    reader:
      typeof program === 'number' ? new Reader(programs, program, values, held) : new Reader(program, 0, values, held),
    report: new Report(id, { spans, held }, post),
    hasImports: sources !== null,
    exports: exports === null ? null : new Exports(exports, held!, gang),
    flushAfter: sources !== null || exports !== null ? flushAfterInGangMs : flushAfterMs,
    flushedAt: 0,
    aborted: undefined,
  };
}
