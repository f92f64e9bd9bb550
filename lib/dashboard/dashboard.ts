/** The dashboard: remembers runs, and shows them to whoever opens its page. */
import { hostname } from 'node:os';
import { nanoid } from 'nanoid';
import type { Exit, Running } from '../workers/supervision/child.ts';
import { readPage } from './assets.ts';
import type { Door } from './guard.ts';
import { History, historyEvents } from './history.ts';
import { Live } from './live.ts';
import { toPageFiles } from './page-files.ts';
import type { MetricsText } from './routes.ts';
import { listen } from './server.ts';
import type { Source } from './source.ts';
import { packageVersion } from '../core/package-files.ts';

export interface DashboardSettings {
  readonly host: string;
  /** 0: any. */
  readonly port: number;
  /** What whoever looks must know; undefined: nothing. */
  readonly token: string | undefined;
  /** Begins to collect what `/metrics` tells; undefined: it tells nothing. */
  readonly metrics?: () => Promise<CollectedMetrics>;
  /** Whether it begins at once, rather than when it is first asked. Default false. */
  readonly countsFromStart?: boolean;
}

export interface CollectedMetrics extends MetricsText {
  stop(): void;
}

export interface Dashboard extends Running {
  /** Where it is to be opened. The token, if there is one, is not in it. */
  readonly url: string;
  readonly port: number;
}

/**
 * Begins to remember what happens, and listens.
 *
 * @throws `INVALID_OPTION` when it cannot listen there
 */
export async function startDashboard(source: Source, { host, port, token, metrics, countsFromStart = false }: DashboardSettings): Promise<Dashboard> {
  const { promise: exited, resolve: exit } = Promise.withResolvers<Exit>();
  let why: Exit = { reason: 'shutdown' };
  let stopping: Promise<void> | undefined;
  const history = new History(() => nanoid(12));
  const live = new Live(source, history, { version: packageVersion(), server: nanoid() }, fail);
  let collecting = countsFromStart ? metrics?.() : undefined;
  collecting?.catch(() => {}); // whoever asks for them is told
  const door: Door = { host, token, names: [hostname()] };
  const page = toPageFiles(readPage());
  const server = await listen({ source, history, live, page, metrics: metrics && (() => (collecting ??= metrics())) }, door, port, fail);
  const unsubscribe = source.feed.subscribe(historyEvents, (told) => {
    try {
      history.record(told);
    } catch (error) {
      fail(error); // started anew, rather than in the way of what it looks at
    }
  });

  function stop(): Promise<void> {
    stopping ??= (async () => {
      unsubscribe();
      live.stop();
      await Promise.all([server.close(), collecting?.then((collected) => collected.stop(), () => {})]);
      exit(why); // whoever starts it again needs the port
    })();
    return stopping;
  }

  function fail(error: unknown): void {
    why = { reason: 'error', error };
    queueMicrotask(() => void stop());
  }

  return {
    exited, stop, url: server.url, port: server.port,
    inspect: () => ({ kind: 'worker', info: { url: server.url, pages: live.clients, rows: history.rows } }),
  };
}
