/** Views of runs that only the journal remembers. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { History } from '../../../lib/dashboard/history.ts';
import { reportOf } from '../../../lib/dashboard/report.ts';
import type { RunHistory } from '../../../lib/dashboard/run-history.ts';
import { recordedView, toRunView } from '../../../lib/dashboard/views.ts';
import { Dag, dag, Handoff, tasks } from '../../../lib/index.ts';
import { decodeChunk, encodeChunk } from '../../../lib/journal/codec.ts';
import { MemoryJournal, MemoryStore } from '../../../lib/journal/memory/memory-journal.ts';
import { recordedEvents, recordedRuns } from '../../../lib/runtime/durable/recorded-events.ts';
import { errorOf } from '../../support/handoff.ts';
import { Stream } from '../../dashboard/support.ts';

const t = tasks<typeof import('../../fixtures/tasks.ts')>(new URL('../../fixtures/tasks.ts', import.meta.url));
const e = tasks<typeof import('../../fixtures/expand-tasks.ts')>(
  new URL('../../fixtures/expand-tasks.ts', import.meta.url),
);

let store: MemoryStore;
const open = new Set<Handoff>();
beforeEach(() => void (store = new MemoryStore()));
afterEach(async () => {
  for (const handoff of open) await handoff.stop({ drain: false });
  open.clear();
});

async function start(more: Partial<Parameters<typeof Handoff.start>[0]> = {}): Promise<Handoff> {
  const handoff = await Handoff.start({
    nodes: [{ name: 'a', capabilities: { cpu: 1 }, threads: 1 }],
    journal: new MemoryJournal(store),
    orchestrate: false,
    ...more,
  });
  open.add(handoff);
  return handoff;
}

async function stop(handoff: Handoff): Promise<void> {
  open.delete(handoff);
  await handoff.stop();
}

/** A run as a view has it that knows only the journal. */
async function viewOf(runId: string): Promise<RunHistory> {
  const journal = new MemoryJournal(store);
  const history = new History(() => 'key');
  for (const event of await recordedEvents(journal, (await journal.find(runId))!)) history.record(event);
  return [...history.runs][0]!;
}

const statesOf = (run: RunHistory): Record<string, string> =>
  Object.fromEntries(run.record.graph.ids.map((id, i) => [id, recordedView(run, i).state]));

describe('a recorded run, seen from its journal', () => {
  it('is done where it ran, with what it had grown by and what was skipped', async () => {
    const handoff = await start();
    const list = t.sortInPlace([2, 1]).with({ id: 'list' });
    const graph = dag('grown', {
      doubles: t.sumList(t.double.map(list).with({ id: 'doubles' })).with({ id: 'sum' }),
      tree: e.sum(0, 8).with({ id: 'tree' }),
    });
    await handoff.run(graph, { runId: 'r' });
    await stop(handoff);
    const view = await viewOf('r');
    expect(toRunView(view)).toMatchObject({ runId: 'r', dagId: 'grown', state: 'finished', failed: 0, error: null });
    const states = statesOf(view);
    expect(Object.keys(states)).toEqual(
      expect.arrayContaining(['list', 'doubles', 'doubles[0]', 'doubles[1]', 'sum', 'tree']),
    );
    expect(Object.keys(states).some((id) => id.startsWith('tree/'))).toBe(true);
    const { doubles: map, ...others } = states;
    expect(map).toBe('done');
    expect(new Set(Object.values(others))).toEqual(new Set(['done']));
    expect(recordedView(view, view.record.index.get('doubles[1]')!)).toMatchObject({ node: 'a', attempts: 1 });
  });

  it('has the times and the threads of its attempts, of those that failed, too', async () => {
    const handoff = await start();
    const graph = new Dag('timed')
      .add({ id: 'slow', code: t.spinFor, extraArgs: [5] })
      .add({ id: 'bad', code: t.boom, args: ['slow'], extraArgs: [], maxRetries: 1 });
    await errorOf(handoff.execute(graph, { runId: 'r' }));
    await stop(handoff);
    const { record } = await viewOf('r');
    const [slow, bad] = [record.index.get('slow')!, record.index.get('bad')!];
    expect(record.tracks).toEqual([{ node: 'a', thread: 0 }]);
    expect([...record.attempts]).toEqual([1, 2]);
    expect(record.ended[slow]).toBeGreaterThan(record.begun[slow]!);
    expect(record.ended[bad]).toBeGreaterThanOrEqual(record.begun[bad]!);
  });

  it('is shown without times when an earlier version has recorded it', async () => {
    const handoff = await start();
    await handoff.execute(new Dag('one').add({ id: 'only', code: t.one }), { runId: 'r' });
    await stop(handoff);
    const journal = new MemoryJournal(store);
    const read = journal.read.bind(journal);
    journal.read = async (runId) =>
      (await read(runId)).map((chunk) => encodeChunk(decodeChunk(chunk, runId).filter(({ type }) => type !== 'timed')));
    const events = await recordedEvents(journal, (await journal.find('r'))!);
    expect(events.map(({ event }) => event.type)).toEqual(['run:started', 'function:restored', 'run:finished']);
  });

  it('shows what came from the cache, and what was skipped', async () => {
    const handoff = await start();
    const graph = (): Dag =>
      new Dag('skipping')
        .add({ id: 'no', code: t.constant, extraArgs: [false], cache: true })
        .add({ id: 'kept', code: t.one })
        .add({ id: 'skipped', code: t.one, when: { id: 'no' } });
    await handoff.execute(graph(), { runId: 'first' });
    await handoff.execute(graph(), { runId: 'second' });
    await stop(handoff);
    expect(statesOf(await viewOf('second'))).toEqual({ no: 'cached', kept: 'done', skipped: 'skipped' });
  });

  it('shows which function failed, and what did not run', async () => {
    const handoff = await start();
    const graph = new Dag('failing')
      .add({ id: 'first', code: t.one })
      .add({ id: 'bad', code: t.boom, args: ['first'], extraArgs: [], maxRetries: 0 })
      .add({ id: 'never', code: t.increment, args: ['bad'] });
    await errorOf(handoff.execute(graph, { runId: 'r' }));
    await stop(handoff);
    const view = await viewOf('r');
    expect(toRunView(view)).toMatchObject({ state: 'failed', failed: 1, error: { code: 'FUNCTION_FAILED' } });
    expect(statesOf(view)).toEqual({ first: 'done', bad: 'failed', never: 'waiting' });
  });

  it('becomes a report, which says that it has ended', async () => {
    const handoff = await start();
    await handoff.execute(new Dag('one').add({ id: 'only', code: t.one }), { runId: 'r' });
    await stop(handoff);
    const journal = new MemoryJournal(store);
    const html = reportOf(await recordedEvents(journal, (await journal.find('r'))!));
    const [, data] = /<script type="application\/json" id="report-data">(.*)<\/script>/.exec(html)!;
    const { messages, functions } = JSON.parse(data!);
    expect(messages).toContainEqual(expect.objectContaining({ type: 'attempts' }));
    expect(functions).toEqual({ run: { 0: expect.objectContaining({ id: 'only', state: 'done', node: 'a' }) } });
  });

  it('is left out when it is damaged, and others are not', async () => {
    const handoff = await start();
    for (const runId of ['good', 'bad', 'known'])
      await handoff.execute(new Dag('one').add({ id: 'only', code: t.one }), { runId });
    await stop(handoff);
    const journal = new MemoryJournal(store);
    const read = journal.read.bind(journal);
    journal.read = async (runId) => (runId === 'bad' ? [Buffer.from([9, 9, 9])] : read(runId));
    const seen: string[] = [];
    for await (const [first] of recordedRuns(journal, (runId) => runId === 'known')) seen.push(first!.graph!.runId);
    expect(seen).toEqual(['good']);
  });
});

describe('the dashboard of a new process', () => {
  it('shows the runs of the journal', async () => {
    const first = await start();
    await first.execute(new Dag('one').add({ id: 'only', code: t.one }), { runId: 'r' });
    await stop(first);
    const second = await start({ dashboard: { port: 0 } });
    const stream = new Stream(second.dashboard!.url);
    await stream.until(() => stream.of('runs').some(({ runs }) => runs.some(({ state }) => state === 'finished')));
    expect(
      stream
        .of('runs')
        .flatMap(({ runs }) => runs)
        .at(-1),
    ).toMatchObject({
      runId: 'r',
      dagId: 'one',
      total: 1,
      done: 1,
    });
    stream.close();
  });
});
