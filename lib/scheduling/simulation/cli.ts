/**
 * `npm run simulate -- --runs N --seed S` plays N random scenarios from seed S on all cores. If one violates an
 * invariant, it is reduced to a minimal scenario and printed event by event, and the exit code is 1. `--replay S`
 * prints the scenario of one seed.
 */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { type Finding, search, trace } from './fuzz.ts';
import { randomScenario } from './scenario.ts';

// The number of scenarios between two progress lines.
const scenariosPerReport = 500;

interface Share {
  readonly from: number;
  readonly runs: number;
}

if (isMainThread) await main();
else work(workerData as Share);

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      runs: { type: 'string', default: '1000' },
      seed: { type: 'string', default: '1' },
      threads: { type: 'string' },
      replay: { type: 'string' },
    },
  });
  if (values.replay !== undefined) {
    process.stdout.write(`${trace(randomScenario(Number(values.replay))).join('\n')}\n`);
    return;
  }
  const [runs, seed, threads] = [values.runs, values.seed, values.threads ?? String(availableParallelism())].map(
    Number,
  ) as [number, number, number];
  if (![runs, seed, threads].every(Number.isInteger) || runs < 1 || threads < 1) {
    process.stderr.write(
      'usage: npm run simulate -- --runs N --seed S [--threads T] [--replay S], all whole numbers\n',
    );
    process.exitCode = 2;
    return;
  }
  const began = performance.now();
  const finding = await campaign(seed, runs, threads);
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  if (finding === undefined) {
    process.stdout.write(`${runs} scenarios from seed ${seed} on: every invariant held. ${seconds} s.\n`);
    return;
  }
  const { smallest } = finding;
  process.stdout.write(
    [
      `seed ${finding.seed} violates an invariant: ${finding.message}`,
      `to repeat: npm run simulate -- --runs 1 --seed ${finding.seed}`,
      '',
      `minimal scenario: ${finding.smallestMessage}`,
      JSON.stringify(smallest, (_, value: unknown) => (value === Infinity ? 'Infinity' : value)),
      '',
      ...trace(smallest),
      '',
    ].join('\n'),
  );
  process.exitCode = 1;
}

/** Distributes scenarios over threads. The first violation ends all threads. */
async function campaign(seed: number, runs: number, threads: number): Promise<Finding | undefined> {
  const share = Math.ceil(runs / threads);
  const shares = Array.from({ length: threads }, (_, k): Share => ({
    from: seed + k * share,
    runs: Math.min(share, runs - k * share),
  })).filter((each) => each.runs > 0);
  let done = 0;
  const workers: Worker[] = [];
  const found = await firstOf(shares);
  await Promise.all(workers.map((worker) => worker.terminate()));
  return found;

  function firstOf(all: readonly Share[]): Promise<Finding | undefined> {
    return new Promise((resolve, reject) => {
      let open = all.length;
      for (const each of all) {
        const worker = new Worker(new URL(import.meta.url), { workerData: each });
        workers.push(worker);
        worker.on('error', reject);
        worker.on('message', (message: number | { readonly finding: Finding | undefined }) => {
          if (typeof message === 'number') {
            done += message;
            if (process.stderr.isTTY) process.stderr.write(`\r${done} of ${runs}`);
          } else if (message.finding !== undefined || --open === 0) {
            resolve(message.finding);
          }
        });
      }
    });
  }
}

function work({ from, runs }: Share): void {
  let unreported = 0;
  const finding = search(from, runs, () => {
    if (++unreported < scenariosPerReport) return;
    parentPort!.postMessage(unreported);
    unreported = 0;
  });
  parentPort!.postMessage({ finding });
}
