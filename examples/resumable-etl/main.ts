/**
 * A run that outlives its process, and results that outlive their run: the program kills itself half way, goes on where
 * it was, and runs once more with one step changed.
 */
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
// In a project of your own: from 'handoffjs'.
import { dag, Handoff, tasks, type ValueDag } from '../../lib/index.ts';

const t = tasks<typeof import('./tasks.ts')>(new URL('./tasks.ts', import.meta.url));
// The package vega-datasets contains 200,000 flights beside its code.
const file = join(dirname(createRequire(import.meta.url).resolve('vega-datasets')), '../data/flights-200k.json');
const journal = fileURLToPath(new URL('.handoff', import.meta.url));
const parts = 8;

/** extract ──► clean ──► count, for each part, then merge ──► report */
function etl(late: number): ValueDag<{ report: ReturnType<typeof t.report> }> {
  const counts = Array.from({ length: parts }, (_, part) => t.count(t.clean(t.extract(file, part, parts)), late));
  return dag('flights', { report: t.report(t.merge(counts), late) });
}

/** Runs the pipeline under an id, or goes on with it. */
async function run(runId: string, late: number, diesHalfWay: boolean): Promise<void> {
  const handoff = await Handoff.start({ journal: { type: 'sqlite', path: journal }, orchestrate: false });
  if (diesHalfWay) {
    // As when the power fails: nothing is closed, nothing is written any more.
    let done = 0;
    handoff.on('attempts', ({ functionIds }) => {
      done += functionIds.length;
      if (done >= 13) process.kill(process.pid, 'SIGKILL');
    });
  }
  const { results, stats } = await handoff.execute(etl(late), { runId, cache: true, collect: 'sinks' });
  const { functions, restored, cached } = stats;
  const ran = functions - restored - cached;
  console.log(`${runId}: ${functions} functions: ${restored} restored, ${cached} from the cache, ${ran} ran`);
  console.log(Object.values(results)[0]);
  await handoff.stop();
}

const [runId, late, how] = process.argv.slice(2);
if (runId === undefined) {
  rmSync(journal, { recursive: true, force: true });
  const processOf = (...args: string[]): void => {
    const { signal, status } = spawnSync(process.execPath, [import.meta.filename, ...args], { stdio: 'inherit' });
    if (signal !== null) console.log(`${args[0]}: the process was killed (${signal})`);
    else if (status !== 0) process.exit(status ?? 1);
  };
  processOf('monday', '15', 'dies');
  processOf('monday', '15'); // the same program again: it goes on where it was
  processOf('tuesday', '30'); // another run: only what the other limit changes runs
} else {
  await run(runId, Number(late), how === 'dies');
}
