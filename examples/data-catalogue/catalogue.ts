/** A catalogue of tables as a web service. It answers at most so many requests at a time and per second. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout } from 'node:timers/promises';

/** What the service takes. */
export const allowed = { atOnce: 4, perSecond: 100 };

export interface Catalogue {
  readonly url: string;
  /** How many tables it has. */
  readonly size: number;
  /** How many requests it has refused. */
  readonly refused: number;
  /** The maximum of requests at a time so far. */
  readonly peak: number;
  close(): void;
}

export async function startCatalogue(): Promise<Catalogue> {
  let [size, refused, open, peak] = [0, 0, 0, 0];
  let times: number[] = [];
  const server = createServer(async (request, response) => {
    for await (const _ of request) void _;
    const now = performance.now();
    times = times.filter((at) => at > now - 1000);
    if (open === allowed.atOnce || times.length === allowed.perSecond) {
      refused++;
      response.writeHead(429).end();
      return;
    }
    times.push(now);
    peak = Math.max(peak, ++open);
    await setTimeout(5);
    open--;
    response.end(String(++size));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    get size() {
      return size;
    },
    get refused() {
      return refused;
    },
    get peak() {
      return peak;
    },
    close: () => void server.close(),
  };
}
