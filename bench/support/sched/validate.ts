/**
 * Checks whether a schedule is feasible: written from the rules alone, independent of all code that creates schedules.
 */
import { transfer, type Instance, type Placed } from './instance.ts';

/** Faults of a schedule as text; empty if there are none. */
export function faultsOf(instance: Instance, schedule: readonly Placed[]): string[] {
  const { work, machines } = instance;
  const faults: string[] = [];
  const placed = new Map(schedule.map((each) => [each.id, each]));
  const machineOf = new Map(machines.map((machine) => [machine.name, machine]));
  const slack = 1e-7 * Math.max(1, ...schedule.map(({ finish }) => finish));
  if (schedule.length !== work.length || placed.size !== work.length)
    faults.push(`${work.length} functions, but ${schedule.length} places of ${placed.size}`);
  const all = new Map(work.map((each) => [each.id, each]));
  for (const one of work) {
    const own = placed.get(one.id);
    const machine = own && machineOf.get(own.node);
    if (own === undefined || machine === undefined) {
      faults.push(`${one.id} is nowhere`);
      continue;
    }
    if (!(own.start >= -slack)) faults.push(`${one.id} starts at ${own.start}`);
    if (!(Math.abs(own.finish - own.start - one.duration / machine.speed) <= slack))
      faults.push(`${one.id} takes ${own.finish - own.start} instead of ${one.duration / machine.speed}`);
    for (const dep of one.deps) {
      const before = placed.get(dep);
      if (before === undefined) continue;
      const there = before.finish + (before.node === own.node ? 0 : transfer(instance, all.get(dep)!));
      if (!(own.start >= there - slack))
        faults.push(`${one.id} starts at ${own.start}, before the result of ${dep} is there at ${there}`);
    }
    if (typeof one.node === 'string' && own.node !== one.node)
      faults.push(`${one.id} is on ${own.node}, pinned to ${one.node}`);
    if (typeof one.node === 'object' && own.node !== placed.get(one.node.collocatedWith)?.node)
      faults.push(`${one.id} is not with ${one.node.collocatedWith}`);
  }
  for (const machine of machines) {
    const here = work.filter(({ id }) => placed.get(id)?.node === machine.name);
    const names = new Set(here.flatMap(({ cost = {} }) => Object.keys(cost)));
    const use = (name: string, capacity: number, amount: (i: number) => number): void => {
      const most = highest(
        here.map(({ id }, i) => ({ ...placed.get(id)!, amount: amount(i) })),
        slack,
      );
      if (most > capacity + 1e-6) faults.push(`${machine.name} has ${capacity} of ${name}, ${most} are used`);
    };
    use('threads', machine.threads, () => 1);
    for (const name of names) use(name, machine.capabilities[name] ?? 0, (i) => here[i]!.cost?.[name] ?? 0);
  }
  return faults;
}

/** The maximum usage at any moment; functions without duration use nothing. */
function highest(uses: readonly { start: number; finish: number; amount: number }[], slack: number): number {
  const changes = uses
    .filter(({ start, finish }) => finish - start > 2 * slack)
    .flatMap(({ start, finish, amount }) => [
      { at: start + slack, change: amount },
      { at: finish - slack, change: -amount },
    ]);
  changes.sort((a, b) => a.at - b.at || a.change - b.change);
  let now = 0;
  let most = 0;
  for (const { change } of changes) most = Math.max(most, (now += change));
  return most;
}
