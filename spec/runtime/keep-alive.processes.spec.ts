import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const program = fileURLToPath(new URL('../fixtures/forgetful.ts', import.meta.url));

/** What a program that never stops its Handoff prints, and the code it ends with: 7 when something kept it alive. */
function endOf(what: string): Promise<{ readonly code: number | string | null | undefined; readonly stdout: string }> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [program, what], { timeout: 240_000 }, (error, stdout) =>
      resolve({ code: error === null ? 0 : (error.code ?? child.signalCode), stdout }),
    );
  });
}

it.each(['idle', 'monitor', 'stop'])('a program ends although it never stopped its Handoff: %s', async (what) => {
  expect(await endOf(what)).toEqual({ code: 0, stdout: '' });
});

it('it ends also after runs, with threads and nodes that were started later', async () => {
  expect(await endOf('several')).toEqual({ code: 0, stdout: 'FUNCTION_FAILED\n' });
});

it('a run that is under way keeps it alive to its end', async () => {
  expect(await endOf('run')).toEqual({ code: 0, stdout: '2\n' });
});

it.each(['dashboard', 'listener', 'actor'])('it is kept alive by what other processes may use: %s', async (what) => {
  expect((await endOf(what)).code).toBe(7);
});
