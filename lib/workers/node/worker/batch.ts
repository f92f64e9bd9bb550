/** A batch in a worker: as it arrived, and how far it has come. */
import type { HandoffError } from '../../../core/errors.ts';
import { BatchFlag } from '../wire.ts';
import { Exports } from './exports.ts';
import { Held } from './local-results.ts';
import type { Peers } from './peers.ts';
import { Reader } from './reader.ts';
import { type Post, Report } from './report.ts';

// What was finished longer ago than this, in ms, is told before the next function begins.
const flushAfter = 0.2;

// The same in a gang: others that need it have it already.
const flushAfterInGang = 1;

export interface Batch {
  readonly id: number;
  readonly slot: number;
  readonly announce: boolean;
  /** Every function is timed by itself. */
  readonly observed: boolean;
  /** See `wire.ts`. */
  readonly origin: number;
  readonly runId: string;
  readonly dagId: string;
  readonly size: number;
  readonly reader: Reader;
  readonly report: Report;
  /** Set when functions of it take results of others, of this batch or of its gang. */
  readonly held: Held | undefined;
  /** It takes results of other workers. */
  readonly fed: boolean;
  /** What it gives to other workers; null when nothing. */
  readonly exports: Exports | null;
  /** In ms. */
  readonly flushAfter: number;
  /** The next function to begin is to be announced. */
  announceNext: boolean;
  flushedAt: number;
  /** Why the function that runs, or waits for its code, is to stop. */
  aborted: HandoffError | undefined;
}

/** Takes in a batch, as the wire describes it. */
export function toBatch(message: readonly unknown[], programs: Int32Array, peers: Peers, post: Post): Batch {
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
  const held = (flags & BatchFlag.linked) !== 0 || exports !== null ? new Held(size, sources?.length ?? 0) : undefined;
  if (sources !== null) peers.expect(id, held!, sources);
  return {
    id,
    slot,
    size,
    origin,
    runId,
    dagId,
    announce,
    announceNext: announce,
    observed: announce || spans,
    held,
    reader:
      typeof program === 'number' ? new Reader(programs, program, values, held) : new Reader(program, 0, values, held),
    report: new Report(id, { spans, held }, post),
    fed: sources !== null,
    exports: exports === null ? null : new Exports(exports, held!, peers),
    flushAfter: sources !== null || exports !== null ? flushAfterInGang : flushAfter,
    flushedAt: 0,
    aborted: undefined,
  };
}
