/** What a journal has of a run. */
import { compile } from '../../lib/dag/compile/compile.ts';
import { Dag } from '../../lib/dag/dag.ts';
import { decodeChunk } from '../../lib/journal/codec.ts';
import type { Journal } from '../../lib/journal/journal.ts';
import { replay } from '../../lib/journal/replay.ts';
import { readGrowth, withoutCode } from '../../lib/runtime/durable/recorded-run.ts';

/** The ids of the functions of a run that are recorded as done, with a result or with a graph that was kept. */
export async function recordedIds(journal: Journal, runId: string): Promise<Set<string>> {
  const chunks = await journal.read(runId);
  if (chunks.length === 0) return new Set();
  const log = replay(chunks.flatMap((chunk, at) => decodeChunk(chunk, String(at))));
  const plan = compile(Dag.fromJSON(log.submitted.dag));
  const { history, grown, run } = await readGrowth(journal, runId, log, plan, null, withoutCode);
  const graphs = grown.flatMap((each) => ('answer' in each ? each.owner : []));
  const results = [...history.finished].flatMap(([i, { value }]) => (value.kind === 'none' ? [] : i));
  return new Set([...results, ...graphs].map((i) => run.plan.entries[i]!.id));
}
