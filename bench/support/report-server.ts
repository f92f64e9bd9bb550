/**
 * A server in a separate process: the web server example, or the same on plain Piscina. Reports its address, and its
 * resource usage on request.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { Piscina } from 'piscina';
import { createReportServer } from '../../examples/web-server/server.ts';
import { Handoff } from '../../lib/index.ts';

const [who, threads] = [process.argv[2], Number(process.argv[3])];

/** The observed usage of a server. */
export interface Usage {
  readonly rss: number;
  /** The maximum number of threads at the same time. */
  readonly threads: number;
}

async function byHandoff() {
  const handoff = await Handoff.start({ nodes: [{ name: 'n', capabilities: { cpu: threads }, threads }] });
  return createReportServer(handoff, 60_000);
}

function byPiscina() {
  const pool = new Piscina({
    filename: new URL('./report-worker.ts', import.meta.url).href,
    minThreads: threads,
    maxThreads: threads,
    concurrentTasksPerWorker: 32,
    idleTimeout: Infinity,
    recordTiming: false,
  });
  const run = (name: string, ...args: readonly unknown[]): Promise<any> => pool.run([name, args]);
  return createServer(
    (request, response) =>
      void (async () => {
        const body = await text(request);
        const words = await run('words', body);
        const [frequent, readability] = await Promise.all([run('frequent', words, 3), run('readability', body, words)]);
        response
          .writeHead(200, { 'content-type': 'application/json' })
          .end(`${JSON.stringify(await run('report', words, frequent, readability))}\n`);
      })().catch(() => response.destroy()),
  );
}

/** Threads of this process, by their names in the system. */
function workers(): number {
  return readdirSync('/proc/self/task').filter((id) => {
    try {
      return /^(WorkerThread|\[worker)/.test(readFileSync(`/proc/self/task/${id}/comm`, 'utf8'));
    } catch {
      return false; // it has ended meanwhile
    }
  }).length;
}

let most = 0;
setInterval(() => (most = Math.max(most, workers())), 20);
const server = who === 'handoff' ? await byHandoff() : byPiscina();
server.listen(0, '127.0.0.1', () => process.send!((server.address() as AddressInfo).port));
process.on('message', () => process.send!({ rss: process.memoryUsage.rss(), threads: most } satisfies Usage));
process.on('disconnect', () => process.exit());
