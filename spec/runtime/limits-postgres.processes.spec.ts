/** Limits of the program, counted over the processes that share a PostgreSQL journal. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Client } from 'pg';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { describePostgres, newSchema, sharedPostgres } from '../support/postgres/shared.ts';

const program = new URL('../fixtures/limits-program.ts', import.meta.url).pathname;
/** It only ends what hangs. */
const patient = { timeout: 60_000 };

let url = '';
let schema = '';
let folder = '';
const started: ChildProcess[] = [];

interface Program {
  readonly process: ChildProcess;
  says(): Promise<unknown>;
}

/** @param lease a process of a busy machine may be late with renewing a short one */
function start(name: string, lease = 60_000): Program {
  const journal = JSON.stringify({ type: 'postgres', url, schema, lease });
  const child = spawn(process.execPath, [program, journal, join(folder, 'marks'), join(folder, `gate-${name}`), name], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  started.push(child);
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  return { process: child, says: async () => JSON.parse((await lines.next()).value as string) };
}

const marked = (): string[] => {
  const file = join(folder, 'marks');
  return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : [];
};
const open = (name: string): void => writeFileSync(join(folder, `gate-${name}`), '');

describePostgres('limits of processes that share a journal', () => {
  beforeEach(async () => {
    url = await sharedPostgres();
    schema = newSchema();
    folder = mkdtempSync(join(tmpdir(), 'handoff-limits-'));
  });
  afterEach(async () => {
    for (const each of started.splice(0)) {
      if (each.exitCode !== null || each.signalCode !== null) continue;
      const exited = once(each, 'exit');
      each.kill('SIGKILL');
      await exited;
    }
    rmSync(folder, { recursive: true, force: true });
    const client = new Client(url);
    await client.connect();
    await client.query(`DROP SCHEMA IF EXISTS "${schema}" CASCADE`);
    await client.end();
  });

  it('hold for all of them together, and what one gives back another gets', async () => {
    const a = start('a');
    await expect.poll(() => marked().length, patient).toBe(2);
    const b = start('b');
    expect(await b.says()).toEqual({ waiting: 3 });
    expect(marked().every((mark) => mark.startsWith('+a'))).toBe(true);
    open('b');
    open('a');
    expect(await a.says()).toHaveProperty('waiting'); // at first all of its functions did
    expect([await a.says(), await b.says()]).toEqual([{ done: 'a' }, { done: 'b' }]);
    let now = 0;
    let most = 0;
    for (const mark of marked()) {
      now += mark.startsWith('+') ? 1 : -1;
      most = Math.max(most, now);
    }
    expect([now, most, marked().length]).toEqual([0, 2, 12]);
  });

  it('get back what a process held that was killed', async () => {
    const a = start('a', 4000);
    await expect.poll(() => marked().length, patient).toBe(2);
    const b = start('b', 4000);
    expect(await b.says()).toEqual({ waiting: 3 });
    a.process.kill('SIGKILL');
    await expect
      .poll(
        () =>
          marked()
            .slice(2)
            .every((mark) => mark.startsWith('+b')) && marked().length,
        patient,
      )
      .toBe(4);
    open('b');
    expect(await b.says()).toEqual({ done: 'b' });
  });
});
