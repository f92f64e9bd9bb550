/**
 * Measuring on a machine that is not quiet: contestants take turns in one process, so that what slows one slows the
 * others, and medians and ratios are what is told.
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
  /** Gives what is to be timed; what it does before that is not. */
  readonly prepare: () => () => Promise<unknown>;
}

/** Runs contestants in turn, `rounds` times after `warmUps` that do not count. */
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

/** µs; of the whole process where Node cannot tell threads apart (before 23.9). */
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
