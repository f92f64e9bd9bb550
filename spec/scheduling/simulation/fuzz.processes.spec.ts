import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { breaks, search, trace } from '../../../lib/scheduling/simulation/fuzz.ts';
import { randomScenario } from '../../../lib/scheduling/simulation/scenario.ts';

const root = new URL('../../..', import.meta.url).pathname;
const run = promisify(execFile);

// SIMULATED_RUNS asks for more; `npm run simulate` uses all cores.
const runs = Number(process.env['SIMULATED_RUNS'] ?? 1500);

describe('the scheduler', () => {
  it(`holds every invariant in ${runs} scenarios with random faults`, { timeout: 3_600_000 }, () => {
    const finding = search(1, runs);
    expect(finding === undefined ? undefined : `seed ${finding.seed}: ${finding.message}`).toBeUndefined();
  });

  it('does the same each time a scenario is played', () => {
    for (const seed of [3, 8, 21]) expect(trace(randomScenario(seed))).toEqual(trace(randomScenario(seed)));
  });
});

// Bugs planted on purpose: a copy of the library with one line changed must be found out.
const planted: [string, string, string, string][] = [
  [
    'a release that is lost',
    'scheduling/scheduler/claims.ts',
    '    state.tracker.release(node.name, cost, run.id);',
    '',
  ],
  [
    'a claim that leaks when a run is aborted',
    'scheduling/scheduler/threads.ts',
    '  else if (batch.holds) letGo(',
    '  else if (batch.holds && !batch.cancelled) letGo(',
  ],
  [
    'a function that is started twice',
    'scheduling/scheduler/threads.ts',
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
  ],
  [
    'a result that is counted although its attempt timed out',
    'scheduling/scheduler/completion.ts',
    '    if (batch.timedOut) {',
    '    if (false) {',
  ],
  [
    'a lost result that waits for what it was made from',
    'scheduling/scheduler/lineage.ts',
    '    if (isGone) stack.push(dep);',
    '',
  ],
  [
    'a lost result that is made again although nobody needs it',
    'scheduling/scheduler/lineage.ts',
    ' && isNeeded(run, i));',
    ');',
  ],
  [
    'more attempts than are allowed',
    'scheduling/scheduler/failure.ts',
    'attempts <= (traits.maxRetries',
    'attempts <= 1 + (traits.maxRetries',
  ],
  [
    'a function that is done by both of two that run it',
    'scheduling/scheduler/race.ts',
    '  if (isLost) return false;',
    '',
  ],
  [
    'an attempt that is counted although a copy goes on',
    'scheduling/scheduler/race.ts',
    '      own(run, i, rival);\n      return false;',
    '      own(run, i, rival);\n      return true;',
  ],
  [
    'a claim that is given back twice, by what has lost',
    'scheduling/scheduler/threads.ts',
    '  if (hasLost(batch)) run.copies.losing--;',
    '  if (hasLost(batch)) { run.copies.losing--; letGo(state, run, thread.node, batch.claim); }',
  ],
  ['what has lost going on', 'scheduling/scheduler/race.ts', '  cancel(state, batch, out);\n', ''],
  [
    'a result that is said to be where it was not made',
    'scheduling/scheduler/race.ts',
    '    own(run, i, batch);\n',
    '',
  ],
  [
    'a result handed over by a gang that nobody waits for',
    'scheduling/scheduler/gang.ts',
    '      imports.set(dep, sources.length);',
    '',
  ],
];

describe('a planted bug is found within 1000 scenarios', () => {
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(join(root, '.mutants-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it.each(planted)('%s', { timeout: 120_000 }, async (name, file, line, changed) => {
    const copy = join(folder, name.replaceAll(' ', '-'));
    cpSync(join(root, 'lib'), copy, { recursive: true });
    const source = readFileSync(join(copy, file), 'utf8');
    expect(source, 'the line to be changed').toContain(line);
    writeFileSync(join(copy, file), source.replace(line, changed));
    const found = await run(
      process.execPath,
      [join(copy, 'scheduling/simulation/cli.ts'), '--runs', '1000', '--seed', '1', '--threads', '1'],
      { maxBuffer: 1e8 },
    ).then(
      () => undefined,
      (error: { code: number; stdout: string }) => error,
    );
    expect(found?.code).toBe(1);
    expect(found!.stdout).toMatch(/^seed \d+ violates an invariant: /);
    expect(found!.stdout).toContain('broken: ');
  });
});

describe('a scenario that breaks', () => {
  it('is none of the real scheduler', () => {
    expect(breaks(randomScenario(1))).toBeUndefined();
  });
});
