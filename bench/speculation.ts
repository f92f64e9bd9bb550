/**
 * What backup copies of slow functions gain: 1,000 functions of 10 ms on eight threads, where one attempt in a hundred
 * takes a second.
 */
import { Dag, Handoff, tasks } from '../lib/index.ts';
import { simulate } from '../lib/simulate.ts';
import { median, timed } from './support/measure.ts';
import type { Row } from './support/report.ts';

const t = tasks<typeof import('./support/stragglers.ts')>(new URL('./support/stragglers.ts', import.meta.url));

const size = 1000;
const seeds = 51;
const nodes = ['a', 'b'].map((name) => ({ name, capabilities: { cpu: 4 }, threads: 4 }));

export async function speculation({ rounds }: { readonly rounds: number }): Promise<Row[]> {
  const real = await measured(rounds);
  const [few, many] = [simulated(64, 0.05), simulated(size, 0.01)];
  return [
    { group: 'speculation', name: '1,000 × 10 ms, 1 % of attempts 1 s, 8 threads', ...row(real.alone, real.copied) },
    { group: 'speculation', name: 'the same: copies made', unit: 'functions', ours: median(real.copies) },
    { group: 'speculation', name: 'the same: of which gave the result', unit: 'functions', ours: median(real.won) },
    { group: 'speculation', name: '1,000 × 10 ms, 1 % of attempts 100 ms, simulated', ...row(many.alone, many.copied) },
    { group: 'speculation', name: '64 × 10 ms, 5 % of attempts 100 ms, simulated', ...row(few.alone, few.copied) },
  ];
}

function row(
  alone: readonly number[],
  copied: readonly number[],
): Pick<Row, 'unit' | 'ours' | 'beside' | 'what' | 'ratio'> {
  const [ours, beside] = [median(copied), median(alone)];
  return { unit: 'ms', ours, beside, what: 'without copies', ratio: beside / ours };
}

/** Alternating, with the same slow calls in both. */
async function measured(rounds: number): Promise<Record<'alone' | 'copied' | 'copies' | 'won', number[]>> {
  await using handoff = await Handoff.start({ nodes });
  const [alone, copied, copies, won]: [number[], number[], number[], number[]] = [[], [], [], []];
  for (let round = -1; round < rounds; round++) {
    for (const speculate of [false, true]) {
      const calls = new SharedArrayBuffer(4 * size);
      const dag = new Dag();
      // New names every time, so that earlier runs do not reveal which functions are slow.
      for (let i = 0; i < size; i++)
        dag.add({ id: `${round} ${speculate} ${i}`, code: t.wait, extraArgs: [calls, i, round] });
      let stats = { speculated: 0, speculatedWon: 0 };
      const { ms } = await timed(async () => void ({ stats } = await handoff.execute(dag, { speculate })));
      if (round < 0) continue; // threads import their modules first
      (speculate ? copied : alone).push(ms);
      if (speculate) copies.push(stats.speculated);
      if (speculate) won.push(stats.speculatedWon);
    }
  }
  return { alone, copied, copies, won };
}

/** Averages over many seeds. */
function simulated(count: number, slow: number): Record<'alone' | 'copied', number[]> {
  const times = (speculate: boolean): number[] =>
    Array.from({ length: seeds }, (_, k) => {
      const dag = new Dag();
      for (let i = 0; i < count; i++) dag.add({ id: `f${i}`, code: t.wait, duration: 10 });
      return simulate(dag, { nodes, seed: k + 1, faults: { slow }, speculate }).makespan;
    });
  return { alone: times(false), copied: times(true) };
}
