/**
 * Checks whether a schedule is feasible: written from the rules alone, independent of all code that creates schedules.
 */
import { type Instance, type Machine, type Placed, transfer, type Work } from './instance.ts';

/** A schedule beside the instance that it is for. */
interface Case {
  readonly instance: Instance;
  readonly work: ReadonlyMap<string, Work>;
  readonly placed: ReadonlyMap<string, Placed>;
  readonly machines: ReadonlyMap<string, Machine>;
  /** Times that differ by less are the same. */
  readonly slack: number;
}

/** Faults of a schedule as text; empty if there are none. */
export function faultsOf(instance: Instance, schedule: readonly Placed[]): string[] {
  const { work, machines } = instance;
  const given: Case = {
    instance,
    work: new Map(work.map((each) => [each.id, each])),
    placed: new Map(schedule.map((each) => [each.id, each])),
    machines: new Map(machines.map((machine) => [machine.name, machine])),
    slack: 1e-7 * Math.max(1, ...schedule.map(({ finish }) => finish)),
  };
  return [
    ...countFaults(given, schedule),
    ...work.flatMap((one) => functionFaults(given, one)),
    ...machines.flatMap((machine) => capacityFaults(given, machine)),
  ];
}

function countFaults({ work, placed }: Case, schedule: readonly Placed[]): string[] {
  return schedule.length === work.size && placed.size === work.size
    ? []
    : [`${work.size} functions, but ${schedule.length} places of ${placed.size}`];
}

function functionFaults(given: Case, one: Work): string[] {
  const own = given.placed.get(one.id);
  const machine = own && given.machines.get(own.node);
  if (own === undefined || machine === undefined) return [`${one.id} is nowhere`];
  return [...timeFaults(given, one, own, machine), ...inputFaults(given, one, own), ...placeFaults(given, one, own)];
}

function timeFaults({ slack }: Case, one: Work, { start, finish }: Placed, { speed }: Machine): string[] {
  const faults: string[] = [];
  if (!(start >= -slack)) faults.push(`${one.id} starts at ${start}`);
  if (!(Math.abs(finish - start - one.duration / speed) <= slack))
    faults.push(`${one.id} takes ${finish - start} instead of ${one.duration / speed}`);
  return faults;
}

function inputFaults({ instance, work, placed, slack }: Case, { id, deps }: Work, own: Placed): string[] {
  return deps.flatMap((dep) => {
    const before = placed.get(dep);
    if (before === undefined) return []; // a fault of its own
    const there = before.finish + (before.node === own.node ? 0 : transfer(instance, work.get(dep)!));
    return own.start >= there - slack
      ? []
      : [`${id} starts at ${own.start}, before the result of ${dep} is there at ${there}`];
  });
}

function placeFaults({ placed }: Case, { id, node }: Work, own: Placed): string[] {
  if (typeof node === 'string' && own.node !== node) return [`${id} is on ${own.node}, pinned to ${node}`];
  if (typeof node === 'object' && own.node !== placed.get(node.collocatedWith)?.node)
    return [`${id} is not with ${node.collocatedWith}`];
  return [];
}

function capacityFaults({ work, placed, slack }: Case, { name, threads, capabilities }: Machine): string[] {
  const here = [...work.values()].filter(({ id }) => placed.get(id)?.node === name);
  const faultOf = (resource: string, capacity: number, amountOf: (one: Work) => number): string[] => {
    const uses = here.map((one) => ({ ...placed.get(one.id)!, amount: amountOf(one) }));
    const most = highest(uses, slack);
    return most > capacity + 1e-6 ? [`${name} has ${capacity} of ${resource}, ${most} are used`] : [];
  };
  const resources = new Set(here.flatMap(({ cost = {} }) => Object.keys(cost)));
  return [
    ...faultOf('threads', threads, () => 1),
    ...[...resources].flatMap((resource) =>
      faultOf(resource, capabilities[resource] ?? 0, ({ cost }) => cost?.[resource] ?? 0),
    ),
  ];
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
