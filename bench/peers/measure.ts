/**
 * `node measure.ts [--steps N] [--rounds N] [--only NAME]`: durable runs of the same steps by several programs, each in a
 * process of its own, alternating: steps per second, and how soon a run goes on after `kill -9`.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, watch, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Client } from 'pg';
import { PostgresServer, urlOf } from '../../spec/support/postgres/server.ts';
import { median } from '../support/measure.ts';
import type { Job } from './work.ts';
import { freePort } from '../../spec/support/free-port.ts';

const { values } = parseArgs({
  options: {
    steps: { type: 'string', default: '1000' },
    rounds: { type: 'string', default: '5' },
    only: { type: 'string' },
  },
});
const [steps, rounds] = [Number(values.steps), Number(values.rounds)];

interface Peer {
  readonly name: string;
  /** The program and its first arguments. */
  readonly command: readonly string[];
  /** A store for one run, empty. */
  makeStore(): Promise<string> | string;
}

const folder = mkdtempSync(join(tmpdir(), 'handoff-peers-'));
const postgres = await PostgresServer.start();
const redis = await startRedis();
let stores = 0;

const inFolder = (): string => join(folder, `store-${++stores}`);

async function inPostgres(): Promise<string> {
  const name = `store_${++stores}`;
  const client = new Client(urlOf(postgres.port));
  await client.connect();
  await client.query(`CREATE DATABASE ${name}`);
  await client.end();
  return urlOf(postgres.port).replace(/postgres$/, name);
}

/** Redis has one store, which is emptied. */
async function inRedis(): Promise<string> {
  const socket = createConnection(redis!.port, '127.0.0.1');
  socket.write('FLUSHALL\r\n');
  await once(socket, 'data');
  socket.destroy();
  return String(redis!.port);
}

const peers: readonly Peer[] = [
  { name: "Handoff, SQLite 'normal'", command: ['handoff.ts', 'normal'], makeStore: inFolder },
  { name: "Handoff, SQLite 'full'", command: ['handoff.ts', 'full'], makeStore: inFolder },
  { name: 'Handoff, PostgreSQL', command: ['handoff.ts', 'normal'], makeStore: inPostgres },
  { name: 'DBOS Transact, PostgreSQL', command: ['dbos.ts'], makeStore: inPostgres },
  { name: 'Effect workflow, SQLite', command: ['effect.ts'], makeStore: inFolder },
  ...(redis === undefined ? [] : [{ name: 'BullMQ, Redis', command: ['bullmq.ts'], makeStore: inRedis }]),
].filter(({ name }) => values.only === undefined || name.toLowerCase().includes(values.only.toLowerCase()));

try {
  const found = new Map(
    peers.map(({ name }) => [name, { sequence: [], parallel: [], resume: [], twice: [] } as Found]),
  );
  for (let round = 0; round < rounds; round++) {
    for (const peer of peers) {
      const of = found.get(peer.name)!;
      for (const order of ['sequence', 'parallel'] as const) of[order].push(await stepsPerSecond(peer, order));
      const { ms, twice } = await resumed(peer);
      of.resume.push(ms);
      of.twice.push(twice);
      const rates = [of.sequence, of.parallel].map((each) => Math.round(each.at(-1)!)).join(' and ');
      process.stderr.write(`${round + 1} of ${rounds}: ${peer.name}: ${rates} steps/s, goes on in ${ms} ms\n`);
    }
  }
  process.stdout.write(
    '| | steps/s, in sequence | steps/s, in parallel | first step after kill -9 | steps that ran twice |\n',
  );
  process.stdout.write('|---|---|---|---|---|\n');
  for (const [name, { sequence, parallel, resume, twice }] of found) {
    const [one, all] = [median(sequence), median(parallel)].map((each) => Math.round(each).toLocaleString('en'));
    process.stdout.write(`| ${name} | ${one} | ${all} | ${Math.round(median(resume))} ms | ${median(twice)} |\n`);
  }
} finally {
  await postgres.stop();
  await redis?.stop();
  rmSync(folder, { recursive: true });
}

interface Found {
  readonly sequence: number[];
  readonly parallel: number[];
  /** ms from the start of the second process to its first step. */
  readonly resume: number[];
  /** How many steps ran in both processes. */
  readonly twice: number[];
}

/** A process that does a job. */
function start({ command }: Peer, store: string, order: Job['order'], marks = '') {
  const [file, ...first] = command;
  const path = new URL(file!, import.meta.url).pathname;
  const child = spawn(process.execPath, [path, ...first, store, String(steps), order, marks], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let printed = '';
  child.stdout.on('data', (data: Buffer) => (printed += data.toString()));
  const exited = once(child, 'exit').then(() => printed);
  return { exited, kill: () => child.kill('SIGKILL') };
}

async function stepsPerSecond(peer: Peer, order: Job['order']): Promise<number> {
  const printed = await start(peer, await peer.makeStore(), order).exited;
  const ms = /^ended (\S+)$/m.exec(printed)?.[1];
  if (ms === undefined) throw new Error(`${peer.name} has not ended its run: ${printed}`);
  return steps / (Number(ms) / 1000);
}

/** A process is killed when half of the steps have run, and another one goes on. */
async function resumed(peer: Peer): Promise<{ readonly ms: number; readonly twice: number }> {
  const store = await peer.makeStore();
  const marks = join(folder, `marks-${++stores}`);
  writeFileSync(marks, '');
  const killed = start(peer, store, 'sequence', marks);
  const watcher = watch(marks, () => linesOf(marks).length >= steps / 2 && killed.kill());
  await killed.exited;
  watcher.close();
  const before = linesOf(marks).length;
  if (before >= steps) throw new Error(`${peer.name} has ended before it was killed; give more steps`);
  const begun = Date.now();
  await start(peer, store, 'sequence', marks).exited;
  const after = linesOf(marks);
  const ran = new Set(after.map(([k]) => k));
  if (ran.size !== steps) throw new Error(`${peer.name} has run ${ran.size} of ${steps} steps`);
  return { ms: Number(after[before]![1]) - begun, twice: after.length - steps };
}

function linesOf(file: string): string[][] {
  return readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split(' '));
}

/** A server that appends to a file, as the docs of BullMQ advise; undefined where redis-server is not on PATH. */
async function startRedis(): Promise<{ readonly port: number; stop(): Promise<unknown> } | undefined> {
  const programs = (process.env['PATH'] ?? '').split(':').map((path) => join(path, 'redis-server'));
  const program = programs.find(existsSync);
  if (program === undefined) {
    process.stderr.write('redis-server is not on PATH (apt-get install redis-server), so BullMQ is left out\n');
    return undefined;
  }
  const port = await freePort();
  const settings = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--appendonly', 'yes'];
  const server = spawn(program, [...settings, '--maxmemory-policy', 'noeviction'], { stdio: 'ignore' });
  for (;;) {
    const socket = createConnection(port, '127.0.0.1');
    const isUp = await once(socket, 'connect').then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (isUp) return { port, stop: () => (server.kill(), once(server, 'exit')) };
    if (server.exitCode !== null) throw new Error('redis-server has ended');
    await wait(20);
  }
}
