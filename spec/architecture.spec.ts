/** The rooms of the library, as imports show them: what may import what. */
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = new URL('..', import.meta.url).pathname;
const files = globSync('lib/**/*.ts', { cwd: root }).filter((file) => !file.endsWith('.d.ts'));
const source = (file: string): string => readFileSync(join(root, file), 'utf8');
const code = (file: string): string =>
  source(file)
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/^\s*\/\/.*$/gm, '');
const importsOf = (file: string): string[] =>
  [...code(file).matchAll(/(?:^import\s[^;]*?from\s+|^export\s[^;]*?from\s+|^import\s+|\bimport\()'([^']+)'/gm)].map(
    (match) => match[1]!,
  );

/**
 * The rooms of `lib/`, from the bottom up, and what each may import beside itself. A room that is not listed here may
 * not exist.
 */
const mayImport: Record<string, readonly string[]> = {
  core: [],
  dag: ['core'],
  events: ['core', 'dag'],
  journal: ['core', 'dag'],
  'scheduling/resources': ['core', 'dag'],
  'scheduling/allocation': ['core', 'dag', 'scheduling/resources'],
  'scheduling/planner': ['core', 'dag', 'scheduling/resources', 'scheduling/allocation'],
  'scheduling/scheduler': ['core', 'dag', 'scheduling/resources', 'scheduling/allocation'],
  'scheduling/costs': ['core', 'dag', 'scheduling/scheduler'],
  'scheduling/simulation': [
    'core',
    'dag',
    'scheduling/resources',
    'scheduling/allocation',
    'scheduling/planner',
    'scheduling/scheduler',
    'journal',
  ],
  'workers/supervision': ['core'],
  'workers/store': ['core'],
  'workers/code': ['core'],
  'workers/actor': ['core', 'workers/code', 'workers/supervision', 'workers/store'],
  'workers/node': ['core', 'dag', 'workers/code', 'workers/supervision', 'workers/store', 'workers/actor'],
  telemetry: ['core', 'dag', 'events'],
  report: ['core', 'dag', 'events'],
  'hosts/transport': ['core'],
  'hosts/cluster': [
    'core',
    'dag',
    'scheduling/resources',
    'workers/store',
    'workers/code',
    'workers/node',
    'hosts/transport',
  ],
  engine: [
    'core',
    'journal',
    'dag',
    'events',
    'scheduling/resources',
    'scheduling/scheduler',
    'scheduling/costs',
    'workers/supervision',
    'workers/store',
    'workers/code',
    'workers/node',
    'hosts/cluster',
  ],
  dashboard: ['core', 'dag', 'events', 'report', 'workers/supervision', 'hosts/transport'],
  'runtime/usage': ['core', 'dag', 'events', 'scheduling/resources', 'scheduling/scheduler', 'workers/node'],
  'runtime/options': [
    'core',
    'journal',
    'dag',
    'events',
    'scheduling/resources',
    'scheduling/allocation',
    'scheduling/scheduler',
    'workers/code',
    'workers/supervision',
    'workers/actor',
    'workers/node',
    'hosts/transport',
    'engine',
    'runtime/usage',
  ],
  'runtime/feed': [
    'core',
    'dag',
    'events',
    'scheduling/scheduler',
    'scheduling/costs',
    'workers/store',
    'hosts/cluster',
    'engine',
  ],
  runtime: [
    'core',
    'journal',
    'dag',
    'events',
    'scheduling/resources',
    'scheduling/allocation',
    'scheduling/planner',
    'scheduling/scheduler',
    'scheduling/costs',
    'workers/supervision',
    'workers/store',
    'workers/code',
    'workers/actor',
    'workers/node',
    'telemetry',
    'hosts/transport',
    'hosts/cluster',
    'engine',
    'dashboard',
    'runtime/usage',
    'runtime/options',
    'runtime/feed',
  ],
  index: [
    'core',
    'journal',
    'dag',
    'events',
    'scheduling/resources',
    'scheduling/allocation',
    'scheduling/scheduler',
    'scheduling/costs',
    'scheduling/simulation',
    'workers/supervision',
    'workers/store',
    'workers/actor',
    'workers/node',
    'telemetry',
    'engine',
    'runtime',
    'runtime/usage',
    'runtime/options',
  ],
  cli: [
    'core',
    'journal',
    'dag',
    'events',
    'report',
    'scheduling/allocation',
    'workers/supervision',
    'hosts/transport',
    'dashboard',
    'runtime',
    'runtime/options',
    'index',
  ],
};
const rooms = Object.keys(mayImport);
const pure = rooms.filter(
  (room) => room === 'dag' || (room.startsWith('scheduling/') && room !== 'scheduling/simulation'),
);

/**
 * The room of a file: its folder, down to the second level where the first holds several rooms. Public entry files are
 * `index`.
 */
function roomOf(file: string): string {
  const [, ...path] = file.split('/');
  const folders = path.slice(0, -1);
  if (folders.length === 0) return 'index';
  const two = folders.slice(0, 2).join('/');
  return rooms.includes(two) ? two : folders[0]!;
}

describe('imports', () => {
  it.each(files)('%s imports only from rooms below its own', (file) => {
    const room = roomOf(file);
    expect(rooms).toContain(room);
    const allowed = [room, ...(mayImport[room] ?? [])];
    for (const specifier of importsOf(file)) {
      if (!specifier.startsWith('.')) continue;
      const target = normalize(join(dirname(file), specifier));
      expect(files, `${file} imports ${specifier}`).toContain(target);
      expect(allowed, `${file} imports ${target}`).toContain(roomOf(target));
    }
  });

  it('go down the list of rooms only', () => {
    for (const [place, [room, allowed]] of Object.entries(mayImport).entries()) {
      for (const below of allowed) expect(rooms.slice(0, place), `${room} may import ${below}`).toContain(below);
    }
  });

  it('go in no circle, not even for types', () => {
    const edges = new Map(
      files.map((file) => [
        file,
        [...source(file).matchAll(/^(?:import|export)\s[^;]*?from\s+'(\.[^']+)'/gm)].map((match) =>
          normalize(join(dirname(file), match[1]!)),
        ),
      ]),
    );
    const state = new Map<string, 'open' | 'done'>();
    const visit = (file: string, path: readonly string[]): void => {
      if (state.get(file) === 'done') return;
      expect(path, 'a circle of imports').not.toContain(file);
      for (const next of edges.get(file) ?? []) visit(next, [...path, file]);
      state.set(file, 'done');
    };
    for (const file of files) visit(file, []);
  });
});

it('an import of the library loads no module of Node for networks, cryptography, databases or debugging', () => {
  const heavy = /^node:(?:net|tls|https?|http2|dgram|dns|crypto|sqlite|inspector)\b/;
  const loaded = (file: string): string[] =>
    [...code(file).matchAll(/^(?:import|export)\s+(?!type\b)(?:[^;']*?\bfrom\s+)?'([^']+)'/gm)].map(
      (match) => match[1]!,
    );
  const seen = new Map<string, string[]>();
  const visit = (file: string, path: readonly string[]): void => {
    if (seen.has(file)) return;
    seen.set(file, [...path, file]);
    for (const specifier of loaded(file)) {
      expect(specifier, [...path, file].join(' → ')).not.toMatch(heavy);
      if (specifier.startsWith('.')) visit(normalize(join(dirname(file), specifier)), [...path, file]);
    }
  };
  visit('lib/index.ts', []);
  expect([...seen.keys()], 'what is reached').toContain('lib/engine/driver.ts');
  expect([...seen.keys()], 'what is loaded with a transport').not.toContain('lib/hosts/cluster/cluster.ts');
});

describe('pure folders', () => {
  it.each(files.filter((file) => pure.includes(roomOf(file))))(
    '%s imports nothing of Node and reads no clock',
    (file) => {
      expect(importsOf(file).filter((specifier) => specifier.startsWith('node:'))).toEqual([]);
      expect(code(file)).not.toMatch(
        /\bDate\.now\b|\bnew Date\(\)|\bperformance\b|\bsetTimeout\b|\bsetImmediate\b|\bsetInterval\b|\bprocess\.|\bMath\.random\b|\bcrypto\b/,
      );
    },
  );

  it.each(files.filter((file) => roomOf(file) === 'scheduling/scheduler'))('%s makes no promise', (file) => {
    expect(code(file)).not.toMatch(/\bPromise\b|\basync\b|\bawait\b/);
  });
});

it('subtracted times come from the same clock, which cannot be set', () => {
  // There it tells a process from the one before it, or orders runs of several days, and measures nothing.
  const marksOnly = ['lib/hosts/transport/beacon/thread.ts', 'lib/journal/wall-clock.ts', 'lib/runtime/hosts.ts'];
  expect(files.filter((file) => /\bDate\.now\(|new Date\(\)/.test(code(file))).toSorted()).toEqual(marksOnly);
});
