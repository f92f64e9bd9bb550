/**
 * `npm run simulate` plays random scenarios on all cores. If one violates an invariant, it is reduced to a minimal
 * scenario and printed event by event.
 */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { type Finding, search, trace } from './fuzz.ts';
import { randomScenario } from './scenario.ts';

// The number of scenarios between two progress lines.
const scenariosPerReport = 500;

const usage = `Usage: npm run simulate -- [options]

Plays random DAGs on random nodes that fail, and checks after every event what must hold.

Options:
  --runs <n>     how many scenarios; default: 1000
  --seed <n>     the seed of the first scenario, from which the others count on; default: 1
  --threads <n>  how many threads play them; default: as many as there are cores
  --replay <n>   print the scenario of this seed event by event, and play no others
  --help         print this text

Exit codes:
  0  every invariant held
  1  an invariant was violated
  2  wrong usage
`;

interface Flags {
  readonly runs: number;
  readonly seed: number;
  readonly threads: number;
  readonly replay: number | undefined;
  readonly help: boolean;
}

interface Share {
  readonly from: number;
  readonly runs: number;
}

if (isMainThread) await main();
else work(workerData as Share);

async function main(): Promise<void> {
  let flags: Flags;
  try {
    flags = flagsOf(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\nSee npm run simulate -- --help.\n`);
    process.exitCode = 2;
    return;
  }
  const { runs, seed, threads, replay, help } = flags;
  if (help) return void process.stdout.write(usage);
  if (replay !== undefined) return void process.stdout.write(`${trace(randomScenario(replay)).join('\n')}\n`);
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

/** @throws an error that names the flag and what it takes */
function flagsOf(args: string[]): Flags {
  const { values } = parseArgs({
    args,
    options: {
      runs: { type: 'string', default: '1000' },
      seed: { type: 'string', default: '1' },
      threads: { type: 'string', default: String(availableParallelism()) },
      replay: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  return {
    runs: wholeNumber('--runs', values.runs, 1),
    seed: wholeNumber('--seed', values.seed, 0),
    threads: wholeNumber('--threads', values.threads, 1),
    replay: values.replay === undefined ? undefined : wholeNumber('--replay', values.replay, 0),
    help: values.help,
  };
}

function wholeNumber(flag: string, text: string, least: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < least)
    throw new Error(`${flag} must be a whole number of at least ${least}, got ${JSON.stringify(text)}.`);
  return value;
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
