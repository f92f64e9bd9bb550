/** What a run records. */
import { describe, expect, it } from 'vitest';
import { compile } from '../../lib/dag/compile.ts';
import { RunRecorder } from '../../lib/engine/run-recorder.ts';
import { decodeChunk } from '../../lib/journal/codec.ts';
import { MemoryJournal } from '../../lib/journal/memory/memory-journal.ts';
import { replay } from '../../lib/journal/replay.ts';
import { encodeChunk } from '../../lib/journal/codec.ts';
import { regrown } from '../../lib/scheduling/scheduler/regrown.ts';
import type { Failure } from '../../lib/scheduling/scheduler/outcome.ts';
import { dagOf, t } from '../support/handoff.ts';

const plan = compile(dagOf({ id: 'pay', code: t.one, idempotent: false }));

/** The functions that are in doubt after the one attempt of a function that is not idempotent has ended. */
async function inDoubtAfter(failure: Failure): Promise<readonly number[]> {
  const journal = new MemoryJournal();
  const submitted = encodeChunk([{ type: 'submitted', dag: { id: 'd', functions: [] }, options: {} }]);
  await journal.submit({ runId: 'r', dagId: 'd', functions: 1 }, submitted);
  const claim = (await journal.claim('r'))!;
  const failures: unknown[] = [];
  const recorder = new RunRecorder({
    journal,
    claim,
    run: regrown(plan, [], null),
    modules: {},
    functions: 1,
    maxResultBytes: 1e6,
    done: [],
    cached: 0,
    onFailure: (error) => failures.push(error),
  });
  await recorder.starting([0], 'n');
  recorder.failedForGood({ index: 0, attempts: 1, node: 0, failure });
  await recorder.flush();
  expect(failures).toEqual([]);
  const chunks = await journal.read('r');
  return [...replay(chunks.flatMap((chunk) => decodeChunk(chunk, 'r'))).inDoubt.keys()];
}

describe('a function that is not idempotent', () => {
  it('is not in doubt once its attempt has failed by itself', async () => {
    expect(await inDoubtAfter({ kind: 'thrown', error: undefined })).toEqual([]);
    expect(await inDoubtAfter({ kind: 'timeout', ms: 5 })).toEqual([]);
  });

  it('stays in doubt when its attempt was lost, because it may have taken effect', async () => {
    expect(await inDoubtAfter({ kind: 'begun', node: 'n', ended: false })).toEqual([0]);
    expect(await inDoubtAfter({ kind: 'node-down', node: 'n' })).toEqual([0]);
    expect(await inDoubtAfter({ kind: 'aborted', reason: undefined })).toEqual([0]);
  });
});
