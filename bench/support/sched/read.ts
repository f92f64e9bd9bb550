/** Reads the files of a folder of scheduling data; the folder's README describes them. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Instance, Machine, Work } from './instance.ts';

/** The JSON files of one kind; empty if there are none. */
function filesOf(folder: string, kind: string): any[] {
  const path = join(folder, kind);
  if (!existsSync(path)) return [];
  return readdirSync(path)
    .filter((file) => file.endsWith('.json'))
    .sort()
    .map((file) => ({ file: file.replace('.json', ''), ...JSON.parse(readFileSync(join(path, file), 'utf8')) }));
}

/** Projects: one machine with resources, and one thread per function. */
export function readProjects(folder: string): Instance[] {
  return filesOf(folder, 'psplib').map((data) => ({
    name: data.name,
    set: data.set,
    best: data.best,
    proven: data.bestLowerBound,
    machines: [{ name: 'site', threads: data.tasks.length, speed: 1, capabilities: data.resources }],
    work: data.tasks.map((task: any): Work => ({
      id: String(task.id),
      duration: task.duration,
      deps: task.deps.map(String),
      cost: task.req,
    })),
  }));
}

/** Task graphs on 2, 4, 8 and 16 equal processors. */
export function readGraphs(folder: string): Instance[] {
  return filesOf(folder, 'stg').flatMap((data) =>
    Object.entries<[number, number]>(data.bounds).map(([processors, [proven, best]]): Instance => ({
      name: `${data.name} m=${processors}`,
      set: data.name.startsWith('stg-app') ? 'applications' : data.name.split('-')[0],
      best,
      proven,
      machines: [{ name: 'processors', threads: Number(processors), speed: 1, capabilities: {} }],
      work: data.tasks.map((task: any): Work => ({
        id: String(task.id),
        duration: task.time,
        deps: task.deps.map(String),
      })),
    })),
  );
}

export const settings = ['8 equal', '8 unequal, 1 Gb/s', '8 unequal, 0.08 Gb/s', '4 with cores + memory'] as const;

const speeds = [0.5, 0.75, 1, 1.25, 1.5, 2, 2.5, 3];
const gigabytes = 1e9;

function machinesOf(setting: (typeof settings)[number]): Machine[] {
  if (setting === '4 with cores + memory')
    return Array.from({ length: 4 }, (_, k) => ({
      name: `n${k}`,
      threads: 8,
      speed: 1,
      capabilities: { cores: 8, memory: 16 * gigabytes },
    }));
  return speeds.map((speed, k) => ({
    name: `n${k}`,
    threads: 1,
    speed: setting === '8 equal' ? 1 : speed,
    capabilities: {},
  }));
}

/** Recorded workflows on machines of our choice, relative to max(critical path, work / capacity). */
export function readWorkflows(folder: string, setting: (typeof settings)[number]): Instance[] {
  const machines = machinesOf(setting);
  const bandwidth =
    setting === '8 unequal, 1 Gb/s' ? 1e9 / 8 : setting === '8 unequal, 0.08 Gb/s' ? 0.08e9 / 8 : undefined;
  return filesOf(folder, 'wf').map((data): Instance => {
    const work = data.tasks.map((task: any): Work => ({
      id: String(task.id),
      duration: task.runtimeSeconds * 1000,
      deps: task.deps.map(String),
      bytes: task.outputBytes ?? 0,
      ...(setting === '4 with cores + memory' && { cost: costOf(task) }),
    }));
    return {
      name: data.file,
      set: setting,
      work,
      machines,
      ...(bandwidth !== undefined && { bandwidth }),
      best: simpleBound(work, machines),
    };
  });
}

/** The number of cores it was given, or else the number it kept busy. */
function costOf(task: any): Record<string, number> {
  const cores = task.cores ?? Math.max(1, Math.ceil((task.avgCPU ?? 100) / 100 - 0.05));
  return { cores: Math.min(8, cores), memory: Math.min(16 * gigabytes, task.memory ?? 0) };
}

/** max(critical path on the fastest machine, work / capacity), as in the reference figures. */
function simpleBound(work: readonly Work[], machines: readonly Machine[]): number {
  const fastest = Math.max(...machines.map(({ speed }) => speed));
  const byId = new Map(work.map((each) => [each.id, each]));
  const ends = new Map<string, number>();
  const endOf = (id: string): number => {
    const known = ends.get(id);
    if (known !== undefined) return known;
    const { deps, duration } = byId.get(id)!;
    const end = deps.reduce((latest, dep) => Math.max(latest, endOf(dep)), 0) + duration / fastest;
    ends.set(id, end);
    return end;
  };
  let bound = work.reduce((latest, { id }) => Math.max(latest, endOf(id)), 0);
  const share = (amount: (each: Work) => number, offer: (machine: Machine) => number): void => {
    const used = work.reduce((sum, each) => sum + each.duration * amount(each), 0);
    const offered = machines.reduce((sum, machine) => sum + offer(machine) * machine.speed, 0);
    if (used > 0) bound = Math.max(bound, used / offered);
  };
  share(
    () => 1,
    ({ threads }) => threads,
  );
  for (const name of new Set(work.flatMap(({ cost = {} }) => Object.keys(cost))))
    share(
      ({ cost }) => cost?.[name] ?? 0,
      ({ capabilities }) => capabilities[name] ?? 0,
    );
  return bound;
}
