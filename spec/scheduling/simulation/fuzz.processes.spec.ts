import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { rolldown } from 'rolldown';
import { describe, expect, it } from 'vitest';
import { breaks, trace } from '../../../lib/scheduling/simulation/fuzz.ts';
import { randomScenario } from '../../../lib/scheduling/simulation/scenario.ts';

const root = new URL('../../..', import.meta.url).pathname;
const run = promisify(execFile);

const isFull = process.env['CHAOS'] === 'full';

// SIMULATED_RUNS asks for more; `npm run simulate` uses all cores.
const runs = Number(process.env['SIMULATED_RUNS'] ?? (isFull ? 20_000 : 500));

type Fuzz = typeof import('../../../lib/scheduling/simulation/fuzz.ts');

/** What searches for bugs, in a bundle: three times as fast as the modules that Vitest loads. One line may be changed. */
async function fuzzOf(file = '', line = '', changed = ''): Promise<Fuzz> {
  const build = await rolldown({
    input: join(root, 'lib/scheduling/simulation/fuzz.ts'),
    platform: 'node',
    plugins: [
      {
        name: 'planted',
        transform: (source, id) => (id === join(root, 'lib', file) ? source.replace(line, changed) : undefined),
      },
    ],
  });
  const { output } = await build.generate({ format: 'esm' });
  return (await import(`data:text/javascript;base64,${Buffer.from(output[0].code).toString('base64')}`)) as Fuzz;
}

describe('the scheduler', () => {
  it(`holds every invariant in ${runs} scenarios with random faults`, { timeout: 3_600_000 }, async () => {
    const finding = (await fuzzOf()).search(1, runs);
    expect(finding === undefined ? undefined : `seed ${finding.seed}: ${finding.message}`).toBeUndefined();
  });

  it.each([
    ...[18035, 22394, 63946, 84446, 85405, 202576, 3002320, 6002692, 6023988, 6023243].map((seed) => [seed, 200]),
    [6309543, 40],
  ])('holds every invariant in scenario %i of at most %i functions, which broke one before', (seed, functions) =>
    expect(breaks(randomScenario(seed!, functions))).toBeUndefined(),
  );

  it('does the same each time a scenario is played', () => {
    for (const seed of [3, 8, 21]) expect(trace(randomScenario(seed))).toEqual(trace(randomScenario(seed)));
  });
});

// Bugs planted on purpose: a copy of the library with one line changed must be found out. Some are found late, or in a
// scenario that takes long to reduce: they name another scenario that shows them, which is played first.
const planted: [string, string, string, string, number?][] = [
  [
    'a release that is lost',
    'scheduling/scheduler/claims/claims.ts',
    '    state.tracker.release(node.name, cost, run.id);',
    '',
  ],
  [
    'a claim that leaks when a run is aborted',
    'scheduling/scheduler/dispatch/threads.ts',
    '  else if (batch.holds) letGo(',
    '  else if (batch.holds && !batch.cancelled) letGo(',
  ],
  [
    'a limit that is not given back when a function is aborted or times out',
    'scheduling/scheduler/dispatch/threads.ts',
    '  if (batch.uses !== undefined) giveBackUses(state, batch);',
    '  if (batch.uses !== undefined && !batch.cancelled && !batch.timedOut) giveBackUses(state, batch);',
    22,
  ],
  [
    'a limit that a copy does not count towards',
    'scheduling/scheduler/speculation/speculation.ts',
    '    uses,\n',
    '',
    22,
  ],
  [
    'a function that is started twice',
    'scheduling/scheduler/dispatch/threads.ts',
    '    if (batch.run.status[i] === Status.dispatched) putBack(state, batch.run, i, out);',
    '    putBack(state, batch.run, i, out);\n    if (at > 0) putBack(state, batch.run, batch.functions[at - 1]!, out);',
  ],
  [
    'a retry that is forgotten',
    'scheduling/scheduler/timers.ts',
    '      if (run.status[index] === Status.delayed) putBack(state, run, index, out);',
    '',
  ],
  [
    'a stale incarnation that is believed',
    'scheduling/scheduler/machine.ts',
    '  return node.up && node.incarnation === incarnation;',
    '  return node.incarnation >= incarnation;',
    857,
  ],
  [
    'a result that is counted although its attempt timed out',
    'scheduling/scheduler/completion.ts',
    '    if (exception === undefined && !batch.timedOut) {',
    '    if (exception === undefined) {',
    961,
  ],
  [
    'a lost result that waits for what it was made from',
    'scheduling/scheduler/failure/lineage.ts',
    '  if (!isThere && run.status[i] === Status.done) stack.push(i);',
    '',
    11,
  ],
  [
    'a lost result that is made again although nobody needs it',
    'scheduling/scheduler/failure/lineage.ts',
    '    if (!isRead(run, i)) {',
    '    if (false) {',
  ],
  [
    'more attempts than are allowed',
    'scheduling/scheduler/failure/failure.ts',
    'attempts <= (traits.maxRetries',
    'attempts <= 1 + (traits.maxRetries',
  ],
  [
    'a function that is done by both of two that run it',
    'scheduling/scheduler/speculation/race.ts',
    '  if (isLost) return false;',
    '',
    22,
  ],
  [
    'an attempt that is counted although a copy goes on',
    'scheduling/scheduler/speculation/race.ts',
    '      own(run, i, rival);\n      return false;',
    '      own(run, i, rival);\n      return true;',
    22,
  ],
  [
    'a claim that is given back twice, by what has lost',
    'scheduling/scheduler/dispatch/threads.ts',
    '  if (hasLost(batch)) run.copies.losing--;',
    '  if (hasLost(batch)) { run.copies.losing--; letGo(state, run, thread.node, batch.claim); }',
    989,
  ],
  ['what has lost going on', 'scheduling/scheduler/speculation/race.ts', '  cancel(state, batch, out);\n', '', 39],
  [
    'a result that is said to be where it was not made',
    'scheduling/scheduler/speculation/race.ts',
    '    own(run, i, batch);\n',
    '',
    54,
  ],
  [
    'a map that is done before its last element',
    'scheduling/scheduler/settle.ts',
    'run.status[owner] !== Status.open || left > 0)',
    'run.status[owner] !== Status.open || left > 1)',
  ],
  [
    'an element that is lost when a place of its map is free',
    'scheduling/scheduler/growth/map-places.ts',
    '    makeReady(state, run, next, out);\n    break;',
    '    break;',
  ],
  [
    'an element that takes another element than its own',
    'scheduling/scheduler/settle.ts',
    '    const next = taker.base + i - span.base;',
    '    const next = taker.base + Math.max(0, i - span.base - 1);',
    39,
  ],
  [
    'a map that is not opened again when one of its elements is lost',
    'scheduling/scheduler/failure/lineage.ts',
    '  if (run.status[span.owner] === Status.done) reopen(run, span.owner, again);',
    '',
    591,
  ],
  [
    'an element of a failed input that waits for ever',
    'scheduling/scheduler/failure/failure.ts',
    '      const elements = needsAll ? giveUpElements(state, run, span, out) : [];',
    '      const elements: number[] = [];',
    322,
  ],
  [
    'a function of a graph that is counted twice',
    'scheduling/scheduler/settle.ts',
    '  expansion.left--;',
    '  expansion.left -= 2;',
  ],
  [
    'a function that is not done again when a function of its graph is lost',
    'scheduling/scheduler/failure/lineage.ts',
    '  if (run.status[expansion.owner] === Status.done && !expansion.isSettled) reopen(run, expansion.owner, again);',
    '',
    25,
  ],
  [
    'a result handed over by a gang that nobody waits for',
    'scheduling/scheduler/dispatch/gang.ts',
    '      imports.set(dep, sources.length);',
    '',
    42,
  ],
  [
    'a record that is lost while another is being written',
    'journal/pending-records.ts',
    '    this.#records.push(record);',
    "    if (record.type !== 'finished' || this.isEmpty) this.#records.push(record);",
    19,
  ],
  [
    'a record that is written twice',
    'journal/pending-records.ts',
    '    this.#records = [];\n    this.#open',
    '    this.#records = records.length > 1 ? records.slice(-1) : [];\n    this.#open',
    17,
  ],
  [
    'a stale owner that still writes',
    'journal/memory/memory-runs.ts',
    '    if (!isOwn) throw fenced(claim.runId);',
    '',
  ],
  [
    'a function that is not idempotent and runs again after a takeover',
    'journal/replay.ts',
    '        for (const i of record.functions) inDoubt.set(i, record.node);',
    '',
    31,
  ],
  [
    'a start of a function that is not idempotent, which is not recorded first',
    'scheduling/simulation/sim-recorder.ts',
    '    this.#waiters.push({ chunks: this.#taken + 1, go: then });',
    '    then();',
    17,
  ],
  [
    'an attempt of a function that is not idempotent, counted as failed when it is lost',
    'scheduling/scheduler/failure/once.ts',
    "  return kind === 'thrown' || kind === 'timeout' || kind === 'crash';",
    '  return true;',
    807,
  ],
  [
    'a graph that is recorded after functions inside of it',
    'scheduling/simulation/sim-recorder.ts',
    "    this.#add({ type: 'expanded', function: index, base, count });",
    "    this.#parts.eventQueue.in(5, () => this.#add({ type: 'expanded', function: index, base, count }));",
    13,
  ],
  [
    'functions of a discarded graph that are restored all the same',
    'journal/discarding.ts',
    '    history: discard(history, new Set(functions)),',
    '    history,',
  ],
  [
    'a recorded function that runs again after a takeover',
    'journal/replay.ts',
    '          finished.set(i, { node: record.node, value, isCached: record.isCached === true });',
    '          if (!finished.has(i - 1)) finished.set(i, { node: record.node, value, isCached: false });',
    120,
  ],
  [
    'a result that is needed, and is not read when a run is resumed',
    'journal/restore.ts',
    '    else if (kept === null || kept[i] === 1) wanted.push(i);',
    '    else if (kept?.[i] === 1) wanted.push(i);',
    85,
  ],
  [
    'an input of a resumed run that is counted as missing',
    'scheduling/scheduler/failure/restored.ts',
    '    else for (let k = plan.outOffset[i]!; k < plan.outOffset[i + 1]!; k++) missing[plan.outs[k]!]!--;',
    '    else for (let k = plan.outOffset[i]! + 1; k < plan.outOffset[i + 1]!; k++) missing[plan.outs[k]!]!--;',
    74,
  ],
];

describe('a planted bug is found within 1000 scenarios', () => {
  it.each(planted)('%s', async (_, file, line, changed, shownBy) => {
    expect(readFileSync(join(root, 'lib', file), 'utf8'), 'the line to be changed').toContain(line);
    const fuzz = await fuzzOf(file, line, changed);
    const first = shownBy === undefined || isFull ? undefined : fuzz.search(shownBy, 1);
    const found = first ?? fuzz.search(1, 1000);
    expect(found).toBeDefined();
    expect(found!.message).not.toBe('');
    expect(fuzz.trace(found!.smallest).at(-1)).toContain('broken: ');
  });

  it('and reported by the command, which exits with 1', async () => {
    const folder = mkdtempSync(join(root, '.mutants-'));
    try {
      const [, file, line, changed] = planted[0]!;
      cpSync(join(root, 'lib'), folder, { recursive: true });
      const path = join(folder, file);
      writeFileSync(path, readFileSync(path, 'utf8').replace(line, changed));
      const found = await run(
        process.execPath,
        [join(folder, 'scheduling/simulation/cli.ts'), '--runs', '1000', '--seed', '1', '--threads', '1'],
        { maxBuffer: 1e8 },
      ).then(
        () => undefined,
        (error: { code: number; stdout: string }) => error,
      );
      expect(found?.code).toBe(1);
      expect(found!.stdout).toMatch(/^seed \d+ violates an invariant: /);
      expect(found!.stdout).toContain('broken: ');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('a scenario that breaks', () => {
  it('breaks nothing in the real scheduler', () => {
    expect(breaks(randomScenario(1))).toBeUndefined();
  });
});
