/**
 * Measuring on a machine that is not quiet: contestants take turns in one process, so that what slows one slows the others, and medians and
 * ratios are what is told.
 */

export interface Sample {
  readonly ms: number;
  /** CPU time of the main thread, in µs. */
  readonly cpu: number;
}

export interface Measured {
  readonly name: string;
  readonly samples: readonly Sample[];
  /** Medians. */
  readonly ms: number;
  readonly cpu: number;
}

export interface Contestant {
  readonly name: string;
  /** Gives what is to be timed; what it does before that is not. */
  readonly prepare: () => () => Promise<unknown>;
}

/** Runs contestants in turn, `rounds` times after `warmUps` that do not count. */
export async function compete(contestants: readonly Contestant[], { rounds = 7, warmUps = 2 } = {}): Promise<Measured[]> {
  const samples = contestants.map((): Sample[] => []);
  for (let round = -warmUps; round < rounds; round++) {
    for (const [k, { prepare }] of contestants.entries()) {
      const run = prepare();
      globalThis.gc?.();
      const sample = await timed(run);
      if (round >= 0) samples[k]!.push(sample);
    }
  }
  return contestants.map(({ name }, k) => ({
    name, samples: samples[k]!, ms: median(samples[k]!.map(({ ms }) => ms)), cpu: median(samples[k]!.map(({ cpu }) => cpu)),
  }));
}

export async function timed(run: () => Promise<unknown>): Promise<Sample> {
  const cpuBefore = mainThreadCpu();
  const before = performance.now();
  await run();
  return { ms: performance.now() - before, cpu: mainThreadCpu() - cpuBefore };
}

/** µs; of the whole process where Node cannot tell threads apart (before 23.9). */
export function mainThreadCpu(): number {
  const { user, system } = process.threadCpuUsage?.() ?? process.cpuUsage();
  return user + system;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
