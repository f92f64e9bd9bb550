import { describe, expect, it } from 'vitest';
import { FromThread } from '../../../../lib/workers/node/wire.ts';
import { Imports } from '../../../../lib/workers/node/worker/imports.ts';

const url = new URL('../../../fixtures/tasks.ts', import.meta.url).href;

describe('the imports of a thread', () => {
  it('report one import when concurrent functions need the same module, and give it to each', async () => {
    const posted: unknown[][] = [];
    const imports = new Imports((message) => posted.push(message));
    const [first, ...others] = await Promise.all([1, 2, 3].map(() => imports.load(url, 'tasks.ts')));
    expect(first).toMatchObject({ version: 3 });
    for (const each of others) expect(each).toBe(first);
    expect(await imports.load(url, 'tasks.ts')).toBe(first);
    expect(posted).toEqual([
      [FromThread.importing, 'tasks.ts'],
      [FromThread.imported, 'tasks.ts'],
    ]);
  });

  it('report each further attempt after one that failed', async () => {
    const posted: unknown[][] = [];
    const imports = new Imports((message) => posted.push(message));
    const missing = new URL('missing.ts', url).href;
    const attempts = [1, 2].map(() => imports.load(missing, 'missing.ts'));
    for (const each of attempts) await expect(each).rejects.toMatchObject({ code: 'FUNCTION_NOT_FOUND' });
    await expect(imports.load(missing, 'missing.ts')).rejects.toMatchObject({ code: 'FUNCTION_NOT_FOUND' });
    expect(posted.map(([type]) => type)).toEqual([
      FromThread.importing,
      FromThread.imported,
      FromThread.importing,
      FromThread.imported,
    ]);
  });
});
