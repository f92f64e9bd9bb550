/** Processes that share a PostgreSQL journal: when one dies or sleeps, another goes on with its runs. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Client } from 'pg';
import { afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { type ExecuteResult, Handoff } from '../../lib/index.ts';
import { PostgresServer } from '../support/postgres/server.ts';
import { describePostgres, newSchema, sharedPostgres } from '../support/postgres/shared.ts';

const program = new URL('../fixtures/durable-postgres-program.ts', import.meta.url).pathname;
/** It only ends what hangs. */
const patient = { timeout: 60_000 };

let url = '';
let schema = '';
let folder = '';
const started: ChildProcess[] = [];

class Program {
  readonly process: ChildProcess;
  readonly exited: Promise<unknown>;
  readonly #lines: AsyncIterator<string>;

  private constructor(part: 'execute' | 'serve') {
    const args = [program, url, schema, join(folder, 'marks'), join(folder, 'gate'), part];
    this.process = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.exited = once(this.process, 'exit');
    this.#lines = createInterface(this.process.stdout!)[Symbol.asyncIterator]();
    started.push(this.process);
  }

  static async start(part: 'execute' | 'serve'): Promise<Program> {
    const one = new Program(part);
    expect(await one.says()).toEqual({ ready: part });
    return one;
  }

  async says(): Promise<unknown> {
    const { value, done } = await this.#lines.next();
    return done === true ? undefined : JSON.parse(value as string);
  }
}

const marked = (): string[] => {
  const file = join(folder, 'marks');
  return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : [];
};

describePostgres('processes with one PostgreSQL journal', () => {
  beforeAll(async () => void (url = await sharedPostgres()));
  beforeEach(() => {
    schema = newSchema();
    folder = mkdtempSync(join(tmpdir(), 'handoff-durable-'));
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

  /** The result of the run, as a third process sees it. */
  async function resultElsewhere(): Promise<ExecuteResult> {
    await using visitor = await Handoff.start({ journal: { type: 'postgres', url, schema }, orchestrate: false });
    return await (await visitor.attach('r')).result();
  }

  it('go on with the run of one that was killed, without what is recorded', async () => {
    const owner = await Program.start('execute');
    await expect.poll(marked, patient).toEqual(['a', '+b']);
    await Program.start('serve');
    owner.process.kill('SIGKILL');
    await expect.poll(marked, patient).toEqual(['a', '+b', '+b']);
    writeFileSync(join(folder, 'gate'), '');
    expect((await resultElsewhere()).results).toEqual({ a: 1, b: 2, c: 3 });
    expect(marked()).toEqual(['a', '+b', '+b', 'b', 'c']);
  });

  it('go on with the run of one that stops, without waiting for its lease', async () => {
    const owner = await Program.start('execute');
    await expect.poll(marked, patient).toEqual(['a', '+b']);
    const next = await Program.start('serve');
    owner.process.kill('SIGTERM');
    expect(await owner.says()).toEqual({ stopping: 'execute' });
    writeFileSync(join(folder, 'gate'), '');
    const { results, allocations } = await resultElsewhere();
    expect(results).toEqual({ a: 1, b: 2, c: 3 });
    expect(allocations).toEqual({ a: 'execute', b: 'execute', c: 'serve' });
    next.process.kill('SIGTERM');
    await next.exited;
  });

  it('fence off one that sleeps for longer than its lease, and goes on then', async () => {
    const sleeper = await Program.start('execute');
    await expect.poll(marked, patient).toEqual(['a', '+b']);
    const next = await Program.start('serve');
    sleeper.process.kill('SIGSTOP');
    await expect.poll(marked, patient).toEqual(['a', '+b', '+b']);
    sleeper.process.kill('SIGCONT');
    writeFileSync(join(folder, 'gate'), '');
    expect(await sleeper.says()).toEqual({ code: 'FENCED' });
    expect((await resultElsewhere()).results).toEqual({ a: 1, b: 2, c: 3 });
    await sleeper.exited;
    const client = new Client(url);
    await client.connect();
    const { rows } = await client.query<{ position: number; term: number }>(
      `SELECT position, term FROM "${schema}".log WHERE run_id = 'r' ORDER BY position`,
    );
    await client.end();
    const taken = rows.findIndex(({ term }) => term === 2);
    expect(taken, 'the other process has written').toBeGreaterThan(0);
    expect(
      rows.slice(taken).map(({ term }) => term),
      'the one that slept has not, since',
    ).toEqual(rows.slice(taken).map(() => 2));
    next.process.kill('SIGTERM');
    await next.exited;
  });

  it('lose nothing, and take nothing from each other, when the database is killed and starts again', async () => {
    const server = await PostgresServer.start();
    const shared = url;
    url = server.url;
    try {
      const owner = await Program.start('execute');
      await expect.poll(marked, patient).toEqual(['a', '+b']);
      const next = await Program.start('serve');
      await server.kill('SIGQUIT');
      writeFileSync(join(folder, 'gate'), '');
      await expect.poll(marked, patient).toEqual(['a', '+b', 'b', 'c']);
      await server.restart();
      expect(await owner.says()).toEqual({ results: { a: 1, b: 2, c: 3 } });
      const { results, allocations } = await resultElsewhere();
      expect(results).toEqual({ a: 1, b: 2, c: 3 });
      expect(allocations).toEqual({ a: 'execute', b: 'execute', c: 'execute' });
      for (const each of [owner, next]) {
        each.process.kill('SIGTERM');
        await each.exited;
      }
    } finally {
      url = shared;
      await server.stop();
    }
  });

  it('continue a run on demand, as soon as the one that had it counts as gone', async () => {
    const owner = await Program.start('execute');
    await expect.poll(marked, patient).toEqual(['a', '+b']);
    owner.process.kill('SIGKILL');
    await owner.exited;
    writeFileSync(join(folder, 'gate'), '');
    const journal = { type: 'postgres', url, schema, lease: 1000 } as const;
    await using handoff = await Handoff.start({ journal, orchestrate: false });
    expect((await (await handoff.resume('r')).result()).results).toEqual({ a: 1, b: 2, c: 3 });
  });
});
