import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Dag, fromSource, Handoff, type NodeOptions, tasks } from '../../lib/index.ts';

let folder: string;
const file = (name: string): URL => pathToFileURL(join(folder, name));

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'preload-'));
  writeFileSync(join(folder, 'warm.js'), `globalThis.warmed = (globalThis.warmed ?? 0) + 1;`);
  writeFileSync(join(folder, 'broken.js'), `throw new Error('it is broken');`);
  writeFileSync(join(folder, 'endless.js'), `await new Promise((resolve) => setTimeout(resolve, 1e9));`);
  writeFileSync(
    join(folder, 'tasks.js'),
    `import { resourceLimits } from 'node:worker_threads';
    export const limit = () => resourceLimits.maxOldGenerationSizeMb;`,
  );
});
afterAll(() => rmSync(folder, { recursive: true }));

const start = (more: Partial<NodeOptions>, importTimeout = 60_000): Promise<Handoff> =>
  Handoff.start({ nodes: [{ name: 'a', capabilities: {}, threads: 2, ...more }], importTimeout });

/** What a function gives on a node with these options. */
async function given(more: Partial<NodeOptions>, code: FunctionLike): Promise<unknown> {
  await using handoff = await start(more);
  return (await handoff.execute(new Dag().add({ id: 'x', code }))).results['x'];
}
type FunctionLike = Parameters<Dag['add']>[0] extends { code?: infer Code } ? Code : never;

describe('the modules of preload', () => {
  it('have been imported before a function runs', async () => {
    const warmed = fromSource(() => (globalThis as { warmed?: number }).warmed);
    expect(await given({ preload: [file('warm.js')] }, warmed)).toBe(1);
    expect(await given({}, warmed)).toBe(undefined);
  });

  it('keep a node from starting when they cannot be imported', async () => {
    await expect(start({ preload: [file('broken.js')] })).rejects.toMatchObject({
      code: 'WORKER_CRASHED',
      cause: { code: 'MODULE_FAILED' },
    });
    await expect(start({ preload: [file('missing.js')] })).rejects.toMatchObject({
      code: 'WORKER_CRASHED',
      cause: { code: 'FUNCTION_NOT_FOUND' },
    });
  });

  it('keep it from starting when their import takes too long', async () => {
    await expect(start({ preload: [file('endless.js')] }, 300)).rejects.toMatchObject({
      code: 'WORKER_CRASHED',
      cause: { code: 'MODULE_FAILED' },
    });
  });
});

describe('the threads of a node', () => {
  it('have its env, and no other', async () => {
    const read = fromSource(() => [process.env['COLOUR'], process.env['PATH']]);
    expect(await given({ env: { COLOUR: 'red' } }, read)).toEqual(['red', undefined]);
  });

  it('have its execArgv', async () => {
    const read = fromSource(() => process.execArgv);
    expect(await given({ execArgv: ['--no-warnings'] }, read)).toEqual(['--no-warnings']);
  });

  it('have its resourceLimits, instead of those derived from its memory', async () => {
    const { limit } = tasks<{ limit(): number }>(file('tasks.js'));
    const more = { capabilities: { memory: 500 }, resourceLimits: { maxOldGenerationSizeMb: 128 } };
    expect(await given(more, limit)).toBe(128);
  });
});

it.each([
  { preload: 'tasks.js' },
  { preload: ['no-such-package'] },
  { env: { COLOUR: 1 } },
  { execArgv: '--no-warnings' },
  { resourceLimits: { maxOldGenerationSizeMb: 0 } },
  { resourceLimits: { heap: 10 } },
])('%j is refused', async (more) => {
  await expect(start(more as never)).rejects.toMatchObject({ code: 'INVALID_OPTION' });
});
