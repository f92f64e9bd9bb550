/** The dashboard: remembers runs and serves the page. */
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
  /** 0 for any free port. */
  readonly port: number;
  /** The token that visitors must present; undefined for no token. */
  readonly token: string | undefined;
  /** Starts to collect the metrics for `/metrics`; undefined if there are none. */
  readonly metrics?: () => Promise<CollectedMetrics>;
  /** Collect metrics from the start, instead of from the first request. Default false. */
  readonly countsFromStart?: boolean;
}

export interface CollectedMetrics extends MetricsText {
  stop(): void;
}

export interface Dashboard extends Running {
  /** The address to open, without the token. */
  readonly url: string;
  readonly port: number;
}

/**
 * Starts to record events, and listens.
 *
 * @throws INVALID_OPTION if the address cannot be listened on
 */
export async function startDashboard(
  source: Source,
  { host, port, token, metrics, countsFromStart = false }: DashboardSettings,
): Promise<Dashboard> {
  const { promise: exited, resolve: exit } = Promise.withResolvers<Exit>();
  let why: Exit = { reason: 'shutdown' };
  let stopping: Promise<void> | undefined;
  const history = new History(() => nanoid(12));
  const live = new Live(source, history, { version: packageVersion(), server: nanoid() }, fail);
  let collecting = countsFromStart ? metrics?.() : undefined;
  collecting?.catch(() => {}); // a request for metrics reports the error
  const door: Door = { host, token, names: [hostname()] };
  const page = toPageFiles(readPage());
  const server = await listen(
    { source, history, live, page, metrics: metrics && (() => (collecting ??= metrics())) },
    door,
    port,
    fail,
  );
  const unsubscribe = source.feed.subscribe(historyEvents, (received) => {
    try {
      history.record(received);
    } catch (error) {
      fail(error); // the supervisor restarts the dashboard; runs are not disturbed
    }
  });

  function stop(): Promise<void> {
    stopping ??= (async () => {
      unsubscribe();
      live.stop();
      await Promise.all([
        server.close(),
        collecting?.then(
          (collected) => collected.stop(),
          () => {},
        ),
      ]);
      exit(why); // a restart needs the port
    })();
    return stopping;
  }

  function fail(error: unknown): void {
    why = { reason: 'error', error };
    queueMicrotask(() => void stop());
  }

  return {
    exited,
    stop,
    url: server.url,
    port: server.port,
    inspect: () => ({ kind: 'worker', info: { url: server.url, pages: live.clients, rows: history.rows } }),
  };
}
