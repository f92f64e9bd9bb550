/**
 * Complete processes: import, start, run, stop, end. This is what a command line, a script or a serverless function
 * waits for. Contestants alternate, and medians are compared. Ours is the built package.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { median } from './support/measure.ts';
import type { Row } from './support/report.ts';

const at = (file: string): string => fileURLToPath(new URL(file, import.meta.url));
const program = at('./support/cold/program.mjs');
const command = at('../dist/cli/main.js');
const counts = [1, 100, 10_000];

interface Process {
  readonly ms: number;
  /** Peak resident set, in MiB. */
  readonly mib: number;
}

/** Runs one process to its end. */
function run(args: readonly string[]): Process {
  const before = performance.now();
  const { status, stderr } = spawnSync(process.execPath, args, {
    stdio: ['ignore', 'ignore', 'pipe'],
    encoding: 'utf8',
  });
  const ms = performance.now() - before;
  if (status !== 0) throw new Error(`${args.join(' ')} ended with ${String(status)}: ${stderr}`);
  return { ms, mib: Number(/peak (\d+)/.exec(stderr)?.[1] ?? 0) / 1024 };
}

/** Medians of `rounds` alternating rounds, after one warm-up round. */
function compete<Name extends string>(
  contestants: Readonly<Record<Name, readonly string[]>>,
  rounds: number,
): Record<Name, Process> {
  const names = Object.keys(contestants) as Name[];
  const all = Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<Name, Process[]>;
  for (let round = -1; round < rounds; round++) {
    for (const name of names) {
      const measured = run(contestants[name]);
      if (round >= 0) all[name].push(measured);
    }
  }
  return Object.fromEntries(
    names.map((name) => [
      name,
      { ms: median(all[name].map(({ ms }) => ms)), mib: median(all[name].map(({ mib }) => mib)) },
    ]),
  ) as Record<Name, Process>;
}

export function cold({ rounds }: { readonly rounds: number }): Row[] {
  if (!existsSync(command)) throw new Error('bench/cold.ts measures the built package: run npm run build first.');
  const rows: Row[] = [];
  for (const count of counts) {
    const { ours, typescript, byHand, tinypool, workers } = compete(
      {
        ours: [program, 'handoff', String(count), 'mjs'],
        typescript: [program, 'handoff', String(count), 'ts'],
        byHand: [program, 'piscina', String(count), 'mjs'],
        tinypool: [program, 'tinypool', String(count), 'mjs'],
        workers: [program, 'workers', String(count), 'mjs'],
      },
      rounds,
    );
    const name = `whole process, ${count.toLocaleString('en')} no-op${count === 1 ? '' : 's'}`;
    const beside = (what: string, other: Process): Row => ({
      group: 'cold',
      name: `${name}, beside ${what}`,
      unit: 'ms',
      ours: ours.ms,
      beside: other.ms,
      what,
      ratio: other.ms / ours.ms,
    });
    rows.push({ ...beside('Piscina', byHand), goal: { ratioAtLeast: count === 10_000 ? 2.5 : 1 / 1.15 } });
    rows.push(beside('Tinypool', tinypool), beside('two bare Workers', workers));
    rows.push({
      ...beside('the same with tasks in TypeScript', typescript),
      goal: { ratioAtLeast: 1 },
      ratio: typescript.ms / ours.ms,
    });
    if (count === 1)
      rows.push({
        group: 'cold',
        name: `${name}: peak memory`,
        unit: 'MiB',
        ours: ours.mib,
        beside: byHand.mib,
        what: 'Piscina',
        ratio: byHand.mib / ours.mib,
        goal: { ratioAtLeast: 1 / 1.2 },
      });
  }
  const { empty, load, help } = compete(
    { empty: ['-e', '0'], load: [program, 'import', '0', 'mjs'], help: [command, '--help'] },
    rounds,
  );
  rows.push({
    group: 'cold',
    name: 'import, over an empty process',
    unit: 'ms',
    ours: load.ms - empty.ms,
    goal: { atMost: 60 },
  });
  rows.push({
    group: 'cold',
    name: 'handoff --help',
    unit: 'ms',
    ours: help.ms,
    beside: empty.ms,
    what: 'node -e 0',
    ratio: empty.ms / help.ms,
    goal: { atMost: 1.5 * empty.ms + 30 },
  });
  return rows;
}
