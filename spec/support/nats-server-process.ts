/** Starts a real NATS server, with a folder of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, watch, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { shared } from './nats-setup.ts';
import { urlOf } from './shared-server.ts';
import { freePort } from './free-port.ts';

const program = 'nats-server';

/** Configuration of a server that keeps streams. */
export const jetStream = 'jetstream: { store_dir: "$FOLDER/streams" }';

/**
 * The URL of a server that keeps streams, for all spec files of a run. Those that use it have namespaces of their own.
 */
export function sharedNats(): Promise<string> {
  return urlOf(shared, async (folder) => {
    const server = await NatsServer.start(jetStream, -1, folder);
    writeFileSync(join(folder, shared.pidFile), String(server.pid));
    server.unref();
    return server.url;
  });
}

export class NatsServer {
  readonly port: number;
  readonly #folder: string;
  readonly #config: string;
  #process: ChildProcess;

  private constructor(started: ChildProcess, port: number, folder: string, config: string) {
    this.#process = started;
    this.port = port;
    this.#folder = folder;
    this.#config = config;
  }

  /**
   * @param config the content of its configuration file, without the port. `$FOLDER` is its folder
   * @param port default: any free port
   * @param folder default: a new one
   */
  static async start(
    config = '',
    port = -1,
    folder = mkdtempSync(join(tmpdir(), 'handoff-nats-')),
  ): Promise<NatsServer> {
    const [started, bound] = await run(folder, config, port);
    return new NatsServer(started, bound, folder, config);
  }

  /** Servers that form a cluster. */
  static async startCluster(size: number, config = ''): Promise<NatsServer[]> {
    const ports = await Promise.all(Array.from({ length: size }, () => freePort()));
    const routes = ports.map((port) => `"nats://127.0.0.1:${port}"`).join(', ');
    return Promise.all(
      ports.map((port, i) =>
        NatsServer.start(
          `${config}\nserver_name: s${i}\ncluster { name: specs, listen: "127.0.0.1:${port}", routes: [${routes}] }`,
        ),
      ),
    );
  }

  get url(): string {
    return `nats://127.0.0.1:${this.port}`;
  }

  /** Lets this process end while the server runs. */
  unref(): void {
    this.#process.unref();
    (this.#process.stderr as Socket).unref();
  }

  get pid(): number {
    return this.#process.pid!;
  }

  /** Sends a signal; after `SIGKILL` and `SIGTERM`, resolves when it has ended. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ends = signal === 'SIGKILL' || signal === 'SIGTERM';
    const exited = ends ? once(this.#process, 'exit') : undefined;
    this.#process.kill(signal);
    await exited;
  }

  /**
   * Starts it again on the same port, after it was killed.
   *
   * @param config default: as before
   */
  async restart(config = this.#config): Promise<void> {
    [this.#process] = await run(this.#folder, config, this.port);
  }

  async stop(): Promise<void> {
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** @returns the process, and the port that it listens on */
async function run(folder: string, config: string, port: number): Promise<[ChildProcess, number]> {
  const file = join(folder, 'server.conf');
  writeFileSync(
    file,
    `${config.replaceAll('$FOLDER', folder)}\nlisten: "127.0.0.1:${port}"\nports_file_dir: "${folder}"\n`,
  );
  const started = spawn(program, ['--config', file], { stdio: ['ignore', 'ignore', 'pipe'] });
  const ports = `${program}_${started.pid}.ports`;
  const lines: string[] = [];
  started.stderr!.setEncoding('utf8').on('data', (text: string) => lines.push(text));
  const ready = new Promise<void>((resolve) => {
    const watcher = watch(folder, () => look());
    const look = (): void => {
      if (!readdirSync(folder).includes(ports)) return;
      watcher.close();
      resolve();
    };
    look();
  });
  const failed = once(started, 'exit').then(() => {
    throw new Error(`${program} has ended: ${lines.join('')}`);
  });
  failed.catch(() => undefined);
  await Promise.race([ready, failed]);
  // The file is there before the content is, now and then.
  for (;;) {
    const text = readFileSync(join(folder, ports), 'utf8');
    if (text !== '') return [started, Number(new URL((JSON.parse(text) as { nats: string[] }).nats[0]!).port)];
    await new Promise((resolve) => setImmediate(resolve));
  }
}
