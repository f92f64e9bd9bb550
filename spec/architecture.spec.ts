/** The layers, as imports show them: what may know what. */
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = new URL('..', import.meta.url).pathname;
const files = globSync('lib/**/*.ts', { cwd: root }).filter((file) => !file.endsWith('.d.ts'));
const source = (file: string): string => readFileSync(join(root, file), 'utf8');
const code = (file: string): string => source(file).replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
const importsOf = (file: string): string[] =>
  [...code(file).matchAll(/(?:^import\s[^;]*?from\s+|^export\s[^;]*?from\s+|^import\s+|\bimport\()'([^']+)'/gm)].map((match) => match[1]!);

/** From the bottom up: each may import those before it, and itself. */
const layers = ['base', 'dag', 'allocation', 'planner', 'scheduler', 'simulation', 'store', 'actor', 'node', 'transport', 'cluster', 'observe', 'monitor', 'dashboard', 'runtime', 'telemetry', 'index', 'cli'];
/** Folders that may know less than their place in the list says. */
const mayKnow: Record<string, readonly string[]> = {
  base: [],
  dag: ['base'],
  allocation: ['base', 'dag'],
  planner: ['base', 'dag', 'allocation'],
  scheduler: ['base', 'dag', 'allocation'],
  simulation: ['base', 'dag', 'allocation', 'planner', 'scheduler'],
  store: ['base'],
  actor: ['base'],
  node: ['base', 'dag', 'store', 'actor'],
  transport: ['base'],
  cluster: ['base', 'dag', 'allocation', 'store', 'actor', 'node', 'transport'],
  observe: ['base', 'dag'],
  monitor: ['base', 'dag', 'allocation', 'scheduler', 'node', 'observe'],
  dashboard: ['base', 'dag', 'actor', 'transport', 'observe', 'monitor'],
};
const pure = ['dag', 'allocation', 'planner', 'scheduler'];

function layerOf(file: string): string {
  const [, folder] = file.split('/') as [string, string];
  if (!folder.endsWith('.ts')) return folder;
  return ['errors.ts', 'error-wire.ts', 'long-timeout.ts', 'obstacle.ts', 'random.ts'].includes(folder) ? 'base' : 'index';
}

describe('imports', () => {
  it.each(files)('%s knows only layers below it', (file) => {
    const layer = layerOf(file);
    const allowed = mayKnow[layer] ?? layers.slice(0, layers.indexOf(layer));
    expect(layers).toContain(layer);
    for (const specifier of importsOf(file)) {
      if (!specifier.startsWith('.')) continue;
      const target = normalize(join(dirname(file), specifier));
      expect(files, `${file} imports ${specifier}`).toContain(target);
      if (layerOf(target) !== layer) expect(allowed, `${file} imports ${target}`).toContain(layerOf(target));
    }
  });

  it('go in no circle, not even for types', () => {
    const edges = new Map(files.map((file) => [file, [...source(file).matchAll(/^(?:import|export)\s[^;]*?from\s+'(\.[^']+)'/gm)]
      .map((match) => normalize(join(dirname(file), match[1]!)))]));
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

describe('pure folders', () => {
  it.each(files.filter((file) => pure.includes(layerOf(file))))('%s imports nothing of Node and reads no clock', (file) => {
    expect(importsOf(file).filter((specifier) => specifier.startsWith('node:'))).toEqual([]);
    expect(code(file)).not.toMatch(/\bDate\.now\b|\bnew Date\(\)|\bperformance\b|\bsetTimeout\b|\bsetImmediate\b|\bsetInterval\b|\bprocess\.|\bMath\.random\b|\bcrypto\b/);
  });

  it.each(files.filter((file) => layerOf(file) === 'scheduler'))('%s makes no promise', (file) => {
    expect(code(file)).not.toMatch(/\bPromise\b|\basync\b|\bawait\b/);
  });
});

it('files stay small: one concept each', () => {
  const long = files.map((file) => [file, source(file).split('\n').length] as const).filter(([, lines]) => lines > 350);
  expect(long).toEqual([]);
});
