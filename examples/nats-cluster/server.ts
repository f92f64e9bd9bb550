/** A NATS server for an example that starts everything itself. Elsewhere, one runs already, or compose.yaml starts it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Server {
  readonly url: string;
  stop(): Promise<void>;
}

/**
 * Starts `nats-server` on a free port of this machine.
 *
 * @param user the only one that it lets in
 */
export async function startServer(user: string, pass: string): Promise<Server> {
  const folder = mkdtempSync(join(tmpdir(), 'handoff-nats-'));
  const config = join(folder, 'server.conf');
  // The password stands in a file, because other users of the machine can read arguments.
  writeFileSync(config, `listen: "127.0.0.1:-1"\nauthorization { user: ${user}, password: "${pass}" }\n`, {
    mode: 0o600,
  });
  const child = spawn('nats-server', ['--config', config], { stdio: ['ignore', 'ignore', 'pipe'] });
  const kill = (): void => void child.kill();
  process.on('exit', kill);
  child.stderr.setEncoding('utf8');
  const failed = once(child, 'error').then(([cause]) => {
    throw new Error('nats-server is not on PATH: install it (Debian: apt-get install nats-server)', { cause });
  });
  failed.catch(() => undefined);
  const stop = async (): Promise<void> => {
    const ended = once(child, 'exit');
    child.kill();
    await ended;
    process.off('exit', kill);
    rmSync(folder, { recursive: true });
  };
  const port = await Promise.race([failed, portOf(child.stderr)]);
  return { url: `nats://127.0.0.1:${port}`, stop };
}

/** The port that the server says it listens on. */
async function portOf(log: AsyncIterable<unknown>): Promise<number> {
  let said = '';
  const iterator = log[Symbol.asyncIterator]();
  for (;;) {
    const { value, done } = await iterator.next();
    if (done === true) throw new Error(`nats-server has ended: ${said}`);
    said += String(value);
    const [, port] = /Listening for client connections on \S+:(\d+)[\s\S]*Server is ready/.exec(said) ?? [];
    if (port !== undefined) return Number(port);
  }
}
