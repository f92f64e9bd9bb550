/** What the files of the build load. Each thread of each process pays for what its entry loads. */
import { fileURLToPath } from 'node:url';
import { type OutputChunk, rolldown } from 'rolldown';
import { beforeAll, describe, expect, it } from 'vitest';
import { bundleOf } from '../lib/bundle.mjs';

const lib = fileURLToPath(new URL('../lib/', import.meta.url));
let chunks: readonly OutputChunk[] = [];

beforeAll(async () => {
  const { output, ...input } = await bundleOf({ dir: 'unwritten' });
  const build = await rolldown(input);
  chunks = (await build.generate(output)).output.filter((each) => each.type === 'chunk');
  await build.close();
});

/** The files that an entry loads at once, itself among them. */
function loadedBy(entry: string): readonly OutputChunk[] {
  const loaded = new Set([chunks.find(({ isEntry, name }) => isEntry && name === entry)!]);
  for (const { imports } of loaded) for (const each of chunks) if (imports.includes(each.fileName)) loaded.add(each);
  return [...loaded];
}

const roomsOf = (entry: string): Set<string> =>
  new Set(
    loadedBy(entry).flatMap(({ moduleIds }) =>
      moduleIds.filter((id) => id.startsWith(lib)).map((id) => id.slice(lib.length).split('/')[0]!),
    ),
  );

const importsOf = (entry: string): string[] => loadedBy(entry).flatMap(({ imports }) => imports);

describe.each(['workers/node/worker/serve', 'workers/actor/serve', 'task'])('%s, which threads load', (entry) => {
  it('loads nothing of the runtime, of the engine, or of what starts threads', () => {
    const rooms = roomsOf(entry);
    expect(rooms).toContain('core');
    for (const room of ['runtime', 'engine', 'scheduling', 'hosts', 'report', 'journal', 'cli'])
      expect(rooms).not.toContain(room);
    expect(importsOf(entry)).not.toContain('piscina');
  });

  it('loads few files', () => {
    expect(loadedBy(entry).length).toBeLessThanOrEqual(5);
  });
});

it('the library loads what runs on one host, and neither the command nor the network', () => {
  const modules = loadedBy('index').flatMap(({ moduleIds }) => moduleIds.map((id) => id.slice(lib.length)));
  expect(modules).toContain('runtime/handoff.ts');
  expect(modules.filter((id) => /^(?:cli|dashboard\/page)\/|\/tcp-transport\.ts$/.test(id))).toEqual([]);
  expect(loadedBy('index').length).toBeLessThanOrEqual(8);
});
