/**
 * Measuring on a busy machine: contestants alternate in one process, so that a disturbance affects all of them; medians
 * and ratios are reported.
 */

export interface Sample {
  readonly ms: number;
  /** CPU time of the main thread, in µs. */
  readonly cpu: number;
  /** CPU time of the whole process, in µs. */
  readonly allCpu: number;
}

/** Medians. */
export interface Measured extends Sample {
  readonly samples: readonly Sample[];
}

export interface Contestant {
  /** Returns the function to time; its own preparation is not timed. */
  readonly prepare: () => () => Promise<unknown>;
}

/** Runs the contestants alternately, `rounds` times after `warmUps` uncounted rounds. */
export async function compete<Name extends string>(
  contestants: Readonly<Record<Name, Contestant['prepare']>>,
  { rounds = 9, warmUps = 5 } = {},
): Promise<Record<Name, Measured>> {
  const names = Object.keys(contestants) as Name[];
  const samples = Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<Name, Sample[]>;
  for (let round = -warmUps; round < rounds; round++) {
    for (const name of names) {
      const sample = await timed(contestants[name]());
      if (round >= 0) samples[name].push(sample);
    }
  }
  return Object.fromEntries(names.map((name) => [name, summed(samples[name])])) as Record<Name, Measured>;
}

function summed(samples: readonly Sample[]): Measured {
  const of = (field: keyof Sample): number => median(samples.map((sample) => sample[field]));
  return { samples, ms: of('ms'), cpu: of('cpu'), allCpu: of('allCpu') };
}

export async function timed(run: () => Promise<unknown>): Promise<Sample> {
  const cpuBefore = mainThreadCpu();
  const allBefore = process.cpuUsage();
  const before = performance.now();
  await run();
  const ms = performance.now() - before;
  const { user, system } = process.cpuUsage(allBefore);
  return { ms, cpu: mainThreadCpu() - cpuBefore, allCpu: user + system };
}

/** µs of the main thread; of the whole process where Node cannot distinguish threads (before 23.9). */
function mainThreadCpu(): number {
  const { user, system } = process.threadCpuUsage?.() ?? process.cpuUsage();
  return user + system;
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

export function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))]!;
}
