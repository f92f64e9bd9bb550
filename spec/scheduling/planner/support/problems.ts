/** Random scheduling problems, and the slow but sure way to the best schedule of small ones. */
import fc from 'fast-check';
import { type Instance, type Machine, transfer, type Work } from '../../../../bench/support/sched/instance.ts';

export interface ProblemShape {
  readonly maxSize: number;
  readonly maxMachines: number;
  /** Pins, groups and priorities too. */
  readonly placed?: boolean;
}

/** Problems that can be solved: the first machine has enough of everything, and where pins are, it has them. */
export function problems({ maxSize, maxMachines, placed = true }: ProblemShape): fc.Arbitrary<Instance> {
  const one = fc.record({
    picks: fc.array(fc.nat(), { maxLength: 3 }),
    duration: fc.constantFrom(0, 0.1, 0.3, 1, 2, 3, 5, 8, 13.7),
    cost: fc.constantFrom(
      undefined,
      { cpu: 1 },
      { cpu: 0.1 },
      { cpu: 0.7 },
      { gpu: 1 },
      { cpu: 0.3, memory: 300 },
      { memory: 700 },
    ),
    bytes: fc.constantFrom(0, 100, 2500),
    placement: fc.integer({ min: 0, max: 9 }),
    target: fc.nat(),
    priority: fc.constantFrom(undefined, undefined, undefined, 2, 5),
  });
  const machine = fc.record({
    threads: fc.integer({ min: 1, max: 3 }),
    speed: fc.constantFrom(0.5, 1, 1, 2, 3),
    cpu: fc.constantFrom(0, 0.9, 1, 2),
    memory: fc.constantFrom(0, 1000),
    gpu: fc.constantFrom(0, 1),
  });
  return fc
    .record({
      work: fc.array(one, { minLength: 1, maxLength: maxSize }),
      machines: fc.array(machine, { minLength: 1, maxLength: maxMachines }),
      prioritized: fc.boolean(),
      latency: fc.constantFrom(0, 0, 1.5),
      bandwidth: fc.constantFrom(Infinity, 1000, 100_000),
    })
    .map(({ work, machines, prioritized, latency, bandwidth }): Instance => ({
      name: 'random',
      set: 'random',
      best: NaN,
      latency,
      bandwidth,
      machines: machines.map(({ threads, speed, cpu, memory, gpu }, k): Machine => ({
        name: `m${k}`,
        threads,
        speed,
        capabilities:
          k === 0
            ? {
                cpu: placed ? Math.max(1, maxSize) : 1,
                memory: placed ? 700 * maxSize : 1000,
                gpu: placed ? maxSize : 1,
              }
            : { cpu, memory, gpu },
      })),
      work: work.map(({ picks, duration, cost, bytes, placement, target, priority }, i): Work => ({
        id: `f${i}`,
        duration,
        bytes,
        deps: i === 0 ? [] : [...new Set(picks.map((pick) => `f${pick % i}`))],
        ...(cost !== undefined && { cost }),
        ...(placed && placement === 0 && { node: 'm0' }),
        ...(placed && placement === 1 && i > 0 && { node: { collocatedWith: `f${target % i}` } }),
        ...(placed && prioritized && priority !== undefined && { priority }),
      })),
    }));
}

/**
 * The shortest makespan of all: every order, on every choice of machines, each function as early as it goes. Without
 * pins and groups.
 */
export function shortestOf(instance: Instance): number {
  const { work, machines } = instance;
  const byId = new Map(work.map((each) => [each.id, each]));
  let best = Infinity;
  const done: { readonly work: Work; readonly machine: Machine; readonly start: number; readonly finish: number }[] =
    [];
  const extend = (makespan: number): void => {
    if (makespan >= best) return;
    if (done.length === work.length) {
      best = makespan;
      return;
    }
    for (const next of work) {
      if (
        done.some((each) => each.work === next) ||
        !next.deps.every((dep) => done.some((each) => each.work.id === dep))
      )
        continue;
      for (const machine of machines) {
        const ms = next.duration / machine.speed;
        const ready = Math.max(
          0,
          ...next.deps.map((dep) => {
            const before = done.find((each) => each.work.id === dep)!;
            return before.finish + (before.machine === machine ? 0 : transfer(instance, byId.get(dep)!));
          }),
        );
        const here = done.filter((each) => each.machine === machine && each.finish > each.start);
        const fits = (at: number): boolean =>
          [at, ...here.map(({ start }) => start).filter((start) => start > at && start < at + ms)].every((moment) => {
            const beside = [
              next,
              ...here
                .filter(({ start, finish }) => start <= moment + 1e-9 && finish > moment + 1e-9)
                .map((each) => each.work),
            ];
            return (
              beside.length <= machine.threads &&
              ['cpu', 'memory', 'gpu'].every(
                (name) =>
                  beside.reduce((sum, { cost }) => sum + (cost?.[name] ?? 0), 0) <=
                  (machine.capabilities[name] ?? 0) + 1e-9,
              )
            );
          });
        const start = [ready, ...here.map(({ finish }) => finish).filter((at) => at > ready)]
          .sort((a, b) => a - b)
          .find(fits);
        if (start === undefined) continue;
        done.push({ work: next, machine, start, finish: start + ms });
        extend(Math.max(makespan, start + ms));
        done.pop();
      }
    }
  };
  extend(0);
  return best;
}
