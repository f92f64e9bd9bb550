/**
 * Durable runs over hosts at NATS servers, with a journal on PostgreSQL, while one piece after the other is killed,
 * stopped and started again.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  Dag,
  Handoff,
  type JournalOptions,
  type NatsTransportOptions,
  type RunHandle,
  tasks,
} from '../../lib/index.ts';
import { decodeChunk } from '../../lib/journal/codec.ts';
import type { Journal } from '../../lib/journal/journal.ts';
import { resolveJournal } from '../../lib/runtime/options/journal-options.ts';
import { randomDag, resultsOf } from '../fixtures/durable-dag.ts';
import { temporary } from '../hosts/cluster/folder.ts';
import { type HostOptions, type HostProcess, startHost } from '../support/hosts.ts';
import { describeNats, NatsServer } from '../support/nats-server.ts';
import { PostgresServer } from '../support/postgres/server.ts';
import { describePostgres, newSchema } from '../support/postgres/shared.ts';
import { recordedIds } from '../support/recorded.ts';

const d = tasks<typeof import('../fixtures/durable-tasks.ts')>(
  new URL('../fixtures/durable-tasks.ts', import.meta.url),
);

// CHAOS=full: as much as it takes to believe it.
const full = process.env['CHAOS'] === 'full';
const rounds = Number(process.env['CHAOS_ROUNDS'] ?? (full ? 20 : 1));
const submitted = Number(process.env['CHAOS_RUNS'] ?? (full ? 1000 : 40));
const functionsEach = 20;
const leaseMs = 2000;

function randomFrom(seed: number): (below: number) => number {
  let state = seed * 7919 + 1;
  return (below) => ((state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff) >>> 8) % below;
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** The servers, and the processes that work with them. */
class World {
  readonly servers: readonly NatsServer[];
  readonly postgres: PostgresServer;
  readonly journal: JournalOptions;
  readonly hosts = new Map<string, HostProcess>();
  readonly #ofHosts = new Map<string, Omit<HostOptions, 'transport'>>();
  readonly #namespace = newSchema();
  readonly #folder = temporary();
  #lastRun = 0;

  private constructor(servers: readonly NatsServer[], postgres: PostgresServer) {
    this.servers = servers;
    this.postgres = postgres;
    this.journal = { type: 'postgres', url: postgres.url, schema: this.#namespace, lease: leaseMs };
  }

  static async start(serverCount: number): Promise<World> {
    const servers = serverCount === 1 ? [await NatsServer.start()] : await NatsServer.startCluster(serverCount);
    return new World(servers, await PostgresServer.start());
  }

  async stop(): Promise<void> {
    await Promise.all(Array.from(this.hosts.values(), (host) => host.kill()));
    await this.postgres.stop();
    await Promise.all(this.servers.map((server) => server.stop()));
  }

  /** A process with a node, one that takes up runs, or both. */
  async startHost(name: string, parts: { readonly node: boolean; readonly orchestrate: boolean }): Promise<void> {
    this.#ofHosts.set(name, {
      nodes: parts.node ? [{ name, capabilities: { cpu: 2 }, threads: 2 }] : [],
      options: parts.orchestrate ? { journal: this.journal, orchestrate: true } : {},
    });
    await this.restartHost(name);
  }

  /** Starts one again that was killed. */
  async restartHost(name: string): Promise<void> {
    const transport: NatsTransportOptions = {
      type: 'nats',
      servers: this.servers.map(({ url }) => url),
      namespace: this.#namespace,
      heartbeatInterval: 200,
      heartbeatTimeout: 2000,
    };
    this.hosts.set(name, await startHost({ ...this.#ofHosts.get(name)!, transport }, true));
  }

  async openJournal(): Promise<Journal> {
    return resolveJournal(this.journal).open();
  }

  /** Submits runs of random DAGs. */
  async submit(handoff: Handoff, count: number): Promise<SubmittedRun[]> {
    return Promise.all(
      Array.from({ length: count }, async () => {
        const runId = `r${++this.#lastRun}`;
        const functions = randomDag(this.#lastRun, 0, functionsEach);
        const marks = join(this.#folder, runId);
        const dag = new Dag('random');
        for (const { id, ms, deps } of functions)
          dag.add({
            id,
            code: d.slowMark,
            args: deps,
            layout: [{ value: marks }, { value: id }, { value: ms }, ...deps.map((_, arg) => ({ arg }))],
          });
        const handle = await handoff.submit(dag, { runId, maxRetries: 0 });
        return { runId, handle, marks, results: resultsOf(functions) };
      }),
    );
  }
}

interface SubmittedRun {
  readonly runId: string;
  readonly handle: RunHandle;
  /** The file in which its functions leave marks. */
  readonly marks: string;
  readonly results: Readonly<Record<string, number>>;
}

/** How often each function of a run has begun. */
function begunIn({ marks }: SubmittedRun): Map<string, number> {
  const begun = new Map<string, number>();
  const text = existsSync(marks) ? readFileSync(marks, 'utf8') : '';
  for (const line of text.split('\n'))
    if (line.startsWith('+')) begun.set(line.slice(1), (begun.get(line.slice(1)) ?? 0) + 1);
  return begun;
}

const sum = (counts: Iterable<number>): number => [...counts].reduce((total, count) => total + count, 0);

/** What is recorded must not begin again: how often each recorded function has begun so far. */
class Recorded {
  readonly #begun = new Map<SubmittedRun, Map<string, number>>();

  /** Notes what the journal has of runs now. */
  async note(journal: Journal, runs: readonly SubmittedRun[]): Promise<void> {
    for (const run of runs) {
      const ids = await recordedIds(journal, run.runId);
      const begun = begunIn(run);
      const noted = this.#begun.get(run) ?? new Map<string, number>();
      for (const id of ids) if (!noted.has(id)) noted.set(id, begun.get(id)!);
      this.#begun.set(run, noted);
    }
  }

  check(): void {
    for (const [run, noted] of this.#begun) {
      const begun = begunIn(run);
      for (const [id, count] of noted)
        expect(begun.get(id), `${id} of ${run.runId} is recorded and does not begin again`).toBe(count);
    }
  }
}

interface Tally {
  /** Executions beyond one of each function. */
  readonly extra: number;
  /** Runs that another process went on with, each time. */
  readonly takeovers: number;
}

/** Checks results and journal of runs that have ended. */
async function check(journal: Journal, runs: readonly SubmittedRun[]): Promise<Tally> {
  let [extra, takeovers] = [0, 0];
  for (const run of runs) {
    expect((await run.handle.result()).results, run.runId).toEqual(run.results);
    const records = (await journal.read(run.runId)).flatMap((chunk) => decodeChunk(chunk, run.runId));
    expect(records.filter(({ type }) => type === 'ended').length, `${run.runId} ends once`).toBe(1);
    takeovers += records.filter(({ type }) => type === 'owned').length - 1;
    extra += sum(begunIn(run).values()) - functionsEach;
  }
  return { extra, takeovers };
}

/** Resolves when functions of these runs have begun so often. */
async function untilBegun(runs: readonly SubmittedRun[], count: number): Promise<void> {
  while (sum(runs.flatMap((run) => [...begunIn(run).values()])) < count) await pause(20);
}

const outageMs = 1500;
/** Long enough that others take the runs of one that sleeps. */
const sleepMs = 2.5 * leaseMs;

/** What happens in the middle of runs, by name. Each leaves the world as it was. */
const faults: Readonly<Record<string, (world: World, random: (below: number) => number) => Promise<void>>> = {
  'an orchestrator is killed': async (world, random) => {
    const name = `orchestrator-${random(2)}`;
    await world.hosts.get(name)!.kill();
    await pause(random(outageMs));
    await world.restartHost(name);
  },
  'an orchestrator sleeps for longer than its lease': async (world, random) => {
    const { signal } = world.hosts.get(`orchestrator-${random(2)}`)!;
    signal('SIGSTOP');
    await pause(sleepMs);
    signal('SIGCONT');
  },
  'a host is killed': async (world, random) => {
    const name = `host-${random(2)}`;
    await world.hosts.get(name)!.kill();
    await pause(random(outageMs));
    await world.restartHost(name);
  },
  'a host sleeps': async (world, random) => {
    const { signal } = world.hosts.get(`host-${random(2)}`)!;
    signal('SIGSTOP');
    await pause(sleepMs);
    signal('SIGCONT');
  },
  'PostgreSQL is killed and starts again': async ({ postgres }, random) => {
    await postgres.killAll();
    await pause(random(outageMs));
    await postgres.restart();
  },
  'PostgreSQL sleeps': async ({ postgres }) => {
    postgres.signalAll('SIGSTOP');
    await pause(sleepMs);
    postgres.signalAll('SIGCONT');
  },
  'a NATS server is killed and starts again': async ({ servers }, random) => {
    const server = servers[random(servers.length)]!;
    await server.kill('SIGKILL');
    await pause(random(outageMs));
    await server.restart();
  },
  'a NATS server sleeps': async ({ servers }, random) => {
    const server = servers[random(servers.length)]!;
    await server.kill('SIGSTOP');
    await pause(sleepMs);
    await server.kill('SIGCONT');
  },
};

describePostgres('with a journal on PostgreSQL', () => {
  describeNats.each([1, 3])('and hosts at %i NATS servers', (serverCount) => {
    let world: World;
    let journal: Journal;
    let submitter: Handoff;
    beforeAll(async () => {
      world = await World.start(serverCount);
      await Promise.all([
        ...[0, 1].map((i) => world.startHost(`host-${i}`, { node: true, orchestrate: false })),
        ...[0, 1].map((i) => world.startHost(`orchestrator-${i}`, { node: false, orchestrate: true })),
      ]);
      journal = await world.openJournal();
      submitter = await Handoff.start({ nodes: [], journal: world.journal, orchestrate: false });
    });
    afterAll(async () => {
      await submitter?.stop({ drain: false });
      await journal?.close();
      await world?.stop();
    });

    const named = serverCount === 1 ? Object.keys(faults) : Object.keys(faults).filter((name) => name.includes('NATS'));
    it.each(named)(
      `submitted runs give the right results when %s (${rounds} rounds)`,
      async (name) => {
        let [extra, takeovers, slowest] = [0, 0, 0];
        for (let round = 0; round < rounds; round++) {
          const random = randomFrom(round + 1);
          const runs = await world.submit(submitter, 6);
          await untilBegun(runs, 10 + random(80));
          const recorded = new Recorded();
          await recorded.note(journal, runs);
          const before = performance.now();
          await faults[name]!(world, random);
          const tally = await check(journal, runs);
          extra += tally.extra;
          takeovers += tally.takeovers;
          slowest = Math.max(slowest, performance.now() - before);
          recorded.check();
        }
        const share = ((100 * extra) / (rounds * 6 * functionsEach)).toFixed(1);
        process.stderr.write(
          `${name}, ${rounds} rounds: ${share} % extra executions, ${takeovers} takeovers, at most ${(slowest / 1000).toFixed(1)} s from the fault to the last result\n`,
        );
      },
      3_600_000,
    );
  });

  describeNats('and three hosts that take up runs', () => {
    it(`${submitted} submitted runs each end once, and nothing recorded runs again, while hosts are killed and started`, async () => {
      const world = await World.start(1);
      try {
        const names = ['a', 'b', 'c'];
        await Promise.all(names.map((name) => world.startHost(name, { node: true, orchestrate: true })));
        const journal = await world.openJournal();
        const submitter = await Handoff.start({ nodes: [], journal: world.journal, orchestrate: false });
        const runs = await world.submit(submitter, submitted);
        const waiting = new Set(runs);
        for (const run of runs)
          void run.handle
            .result()
            .finally(() => waiting.delete(run))
            .catch(() => undefined);
        const recorded = new Recorded();
        const random = randomFrom(1);
        let kills = 0;
        while (waiting.size > 0) {
          await pause(1000 + random(4000));
          const name = names[random(names.length)]!;
          await world.hosts.get(name)!.kill();
          kills++;
          await recorded.note(journal, [...waiting].slice(0, 50));
          await world.restartHost(name);
        }
        const { extra, takeovers } = await check(journal, runs);
        recorded.check();
        process.stderr.write(
          `${submitted} runs, ${kills} kills, ${takeovers} takeovers: ${((100 * extra) / (submitted * functionsEach)).toFixed(1)} % extra executions\n`,
        );
        await submitter.stop({ drain: false });
        await journal.close();
      } finally {
        await world.stop();
      }
    }, 3_600_000);
  });
});
