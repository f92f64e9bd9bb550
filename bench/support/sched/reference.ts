/**
 * The reference rules, in their plain form: FIFO to the first idle machine, and HEFT (Topcuoglu, Hariri and Wu 2002).
 */
import { transfer, type Instance, type Machine, type Placed, type Work } from './instance.ts';

type Use = Placed & { readonly work: Work };

/**
 * Starts ready functions on the first idle machine with room, by longest remaining path or in FIFO order. A function
 * occupies its machine from dispatch, while its inputs are still moving.
 */
export function dispatchReady(instance: Instance, rule: 'fifo' | 'b-level' | 'b-level, earliest finish'): Placed[] {
  const { work, machines } = instance;
  const byId = new Map(work.map((each) => [each.id, each]));
  const level = rule === 'fifo' ? new Map<string, number>() : waysToGo(instance, 1, 0);
  const missing = new Map(work.map(({ id, deps }) => [id, new Set(deps).size]));
  const dependents = dependentsOf(work);
  const done = new Map<string, Placed>();
  let ready = work.filter(({ deps }) => deps.length === 0);
  let busy: Use[] = [];
  const all: Placed[] = [];
  const free = new Map(
    machines.map(({ name, threads, capabilities }) => [name, { threads, ...capabilities } as Record<string, number>]),
  );
  for (let now = 0; ;) {
    if (rule !== 'fifo') ready.sort((a, b) => level.get(b.id)! - level.get(a.id)!);
    const left: Work[] = [];
    for (const one of ready) {
      const idle = machines.filter(({ name }) => fits(one, free.get(name)!));
      const finishOn = (machine: Machine): number =>
        Math.max(now, arrival(instance, byId, done, one, machine.name)) + one.duration / machine.speed;
      const machine =
        rule === 'b-level, earliest finish' ? idle.toSorted((a, b) => finishOn(a) - finishOn(b))[0] : idle[0];
      if (machine === undefined) {
        left.push(one);
        continue;
      }
      claim(free.get(machine.name)!, one, -1);
      const finish = finishOn(machine);
      const use = { id: one.id, node: machine.name, start: finish - one.duration / machine.speed, finish, work: one };
      busy.push(use);
      all.push(use);
    }
    ready = left;
    if (busy.length === 0) return all;
    now = Math.min(...busy.map(({ finish }) => finish));
    const over = busy.filter(({ finish }) => finish <= now);
    busy = busy.filter(({ finish }) => finish > now);
    for (const use of over) {
      claim(free.get(use.node)!, use.work, 1);
      done.set(use.id, use);
      for (const id of new Set(dependents.get(use.id))) {
        missing.set(id, missing.get(id)! - 1);
        if (missing.get(id) === 0) ready.push(byId.get(id)!);
      }
    }
  }
}

/** Upward rank with mean times, then the machine with the earliest finish, using gaps that are long enough. */
export function heft(instance: Instance): Placed[] {
  const { work, machines } = instance;
  const byId = new Map(work.map((each) => [each.id, each]));
  const rank = waysToGo(instance, machines.reduce((sum, { speed }) => sum + 1 / speed, 0) / machines.length, 1);
  const depth = depths(work, byId);
  const done = new Map<string, Placed>();
  const uses = new Map(machines.map(({ name }) => [name, [] as Use[]]));
  for (const one of work.toSorted((a, b) => rank.get(b.id)! - rank.get(a.id)! || depth.get(a.id)! - depth.get(b.id)!)) {
    let best: Use | undefined;
    for (const machine of machines) {
      if (!fits(one, { threads: machine.threads, ...machine.capabilities })) continue;
      const ms = one.duration / machine.speed;
      const ready = arrival(instance, byId, done, one, machine.name);
      if (best !== undefined && ready + ms >= best.finish) continue;
      const start = firstGap(machine, uses.get(machine.name)!, one, ready, ms);
      if (best === undefined || start + ms < best.finish)
        best = { id: one.id, node: machine.name, start, finish: start + ms, work: one };
    }
    uses.get(best!.node)!.push(best!);
    done.set(one.id, best!);
  }
  return [...done.values()];
}

function firstGap(machine: Machine, uses: readonly Use[], one: Work, ready: number, ms: number): number {
  const later = uses.filter(({ start, finish }) => finish > ready && finish > start).sort((a, b) => a.start - b.start);
  const starts = [ready, ...later.map(({ finish }) => finish)].sort((a, b) => a - b);
  for (const start of starts) {
    const beside = later.filter((use) => use.start < start + ms && use.finish > start);
    // Within the interval, usage changes only when something starts.
    if (
      [start, ...beside.map((use) => use.start).filter((at) => at > start)].every((moment) => {
        const left: Record<string, number> = { threads: machine.threads, ...machine.capabilities };
        for (const use of beside) if (use.start <= moment && use.finish > moment) claim(left, use.work, -1);
        return fits(one, left);
      })
    )
      return start;
  }
  throw new Error(`${one.id} fits nowhere`);
}

function fits({ cost = {} }: Work, free: Readonly<Record<string, number>>): boolean {
  return free['threads']! >= 1 && Object.entries(cost).every(([name, amount]) => amount <= (free[name] ?? 0) + 1e-9);
}

function claim(free: Record<string, number>, { cost = {} }: Work, sign: 1 | -1): void {
  free['threads']! += sign;
  for (const [name, amount] of Object.entries(cost)) free[name] = (free[name] ?? 0) + sign * amount;
}

function arrival(
  instance: Instance,
  byId: ReadonlyMap<string, Work>,
  done: ReadonlyMap<string, Placed>,
  one: Work,
  node: string,
): number {
  let latest = 0;
  for (const dep of one.deps) {
    const before = done.get(dep)!;
    latest = Math.max(latest, before.finish + (before.node === node ? 0 : transfer(instance, byId.get(dep)!)));
  }
  return latest;
}

/** By function: ms of the longest path from its start to the end. */
function waysToGo(instance: Instance, slowness: number, moves: number): Map<string, number> {
  const dependents = dependentsOf(instance.work);
  const byId = new Map(instance.work.map((each) => [each.id, each]));
  const depth = depths(instance.work, byId);
  const way = new Map<string, number>();
  for (const one of instance.work.toSorted((a, b) => depth.get(b.id)! - depth.get(a.id)!)) {
    const move = transfer(instance, one) * moves;
    way.set(
      one.id,
      one.duration * slowness +
        (dependents.get(one.id) ?? []).reduce((longest, id) => Math.max(longest, way.get(id)! + move), 0),
    );
  }
  return way;
}

function depths(work: readonly Work[], byId: ReadonlyMap<string, Work>): Map<string, number> {
  const depth = new Map<string, number>();
  const depthOf = (id: string): number => {
    let known = depth.get(id);
    if (known === undefined)
      depth.set(id, (known = byId.get(id)!.deps.reduce((most, dep) => Math.max(most, depthOf(dep) + 1), 0)));
    return known;
  };
  for (const { id } of work) depthOf(id);
  return depth;
}

function dependentsOf(work: readonly Work[]): Map<string, string[]> {
  const dependents = new Map<string, string[]>();
  for (const { id, deps } of work) {
    for (const dep of deps) {
      const known = dependents.get(dep);
      if (known === undefined) dependents.set(dep, [id]);
      else known.push(id);
    }
  }
  return dependents;
}
