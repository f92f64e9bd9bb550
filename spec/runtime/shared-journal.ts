/** What processes that share a journal must do, wherever it is: when one dies or sleeps, another goes on with its runs. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type ExecuteResult, Handoff, type JournalOptions } from '../../lib/index.ts';
import type { Journal } from '../../lib/journal/journal.ts';
import { decodeChunk } from '../../lib/journal/codec.ts';

/** A server that can be killed and started again. */
export interface JournalServer {
  readonly url: string;
  kill(): Promise<void>;
  restart(): Promise<void>;
  stop(): Promise<void>;
}

export interface SharedJournalKind {
  /** The URL of a server that others use too. */
  url(): Promise<string>;
  startServer(): Promise<JournalServer>;
  /** The options of a journal. Journals of other names know nothing of it. */
  journal(url: string, name: string): JournalOptions;
  open(options: JournalOptions): Promise<Journal>;
  /** Deletes what was made under a name. */
  drop(url: string, name: string): Promise<void>;
}

const program = new URL('../fixtures/durable-shared-program.ts', import.meta.url).pathname;
/** It only ends what hangs. */
const patient = { timeout: 60_000 };
let lastName = 0;

export function describeSharedJournal(kind: SharedJournalKind): void {
  let url = '';
  let name = '';
  let folder = '';
  const started: ChildProcess[] = [];

  class Program {
    readonly process: ChildProcess;
    readonly exited: Promise<unknown>;
    readonly #lines: AsyncIterator<string>;

    private constructor(part: 'execute' | 'serve') {
      const journal = JSON.stringify(kind.journal(url, name));
      const args = [program, journal, join(folder, 'marks'), join(folder, 'gate'), part];
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

  describe('processes that share it', () => {
    beforeAll(async () => void (url = await kind.url()));
    beforeEach(() => {
      name = `spec_${process.pid}_${++lastName}`;
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
      await kind.drop(url, name);
    });

    /** The result of the run, as a third process sees it. */
    async function resultElsewhere(): Promise<ExecuteResult> {
      await using visitor = await Handoff.start({ journal: kind.journal(url, name), orchestrate: false });
      return await (await visitor.attach('r')).result();
    }

    /** The owners of the run, one for each take-over, in the order of its log. */
    async function owners(): Promise<string[]> {
      const journal = await kind.open(kind.journal(url, name));
      try {
        const records = (await journal.read('r')).flatMap((chunk) => decodeChunk(chunk, 'r'));
        return records.flatMap((record) => (record.type === 'owned' ? [record.owner] : []));
      } finally {
        await journal.close();
      }
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
      const { results, allocations } = await resultElsewhere();
      expect(results).toEqual({ a: 1, b: 2, c: 3 });
      expect(allocations, 'what the one that slept did afterwards is not recorded').toEqual({
        a: 'execute',
        b: 'serve',
        c: 'serve',
      });
      expect(await owners()).toHaveLength(2);
      await sleeper.exited;
      next.process.kill('SIGTERM');
      await next.exited;
    });

    it('lose nothing, and take nothing from each other, when its server is killed and starts again', async () => {
      const server = await kind.startServer();
      const shared = url;
      url = server.url;
      try {
        const owner = await Program.start('execute');
        await expect.poll(marked, patient).toEqual(['a', '+b']);
        const next = await Program.start('serve');
        await server.kill();
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
      await using handoff = await Handoff.start({ journal: kind.journal(url, name), orchestrate: false });
      expect((await (await handoff.resume('r')).result()).results).toEqual({ a: 1, b: 2, c: 3 });
    });
  });
}
