/**
 * The dashboard in the supervision tree. It restarts when it fails. If it fails too often, only the dashboard is given
 * up, not the runs.
 */
import type { Running } from '../workers/supervision/child.ts';
import { Supervisor } from '../workers/supervision/supervisor.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { ResolvedDashboard } from './options/dashboard-options.ts';
import type { Publisher } from '../engine/event-publisher.ts';
import type { Overview } from './overview.ts';
import { restartsTo } from './restart-events.ts';

export class DashboardChild {
  readonly #options: ResolvedDashboard;
  readonly #overview: Overview;
  readonly #publisher: Publisher;
  /** The port of the first start, kept for restarts. */
  #port: number;
  #url: string | undefined;

  constructor(options: ResolvedDashboard, overview: Overview, publisher: Publisher) {
    this.#options = options;
    this.#overview = overview;
    this.#publisher = publisher;
    this.#port = options.port;
  }

  /** Undefined while the dashboard is not running. */
  get address(): { readonly url: string } | undefined {
    return this.#url === undefined ? undefined : { url: this.#url };
  }

  start(): Promise<Supervisor> {
    const onRestart = restartsTo(this.#publisher);
    return Supervisor.start({ onRestart: (child, exit) => onRestart('dashboard', child, exit) }, [
      { id: 'server', start: () => this.#launch() },
    ]);
  }

  async #launch(): Promise<Running> {
    // Loaded only when the dashboard is used.
    const { startDashboard } = await import('../dashboard/dashboard.ts');
    const { host, token, metrics } = this.#options;
    const overview = this.#overview;
    const dashboard = await startDashboard(overview, {
      host,
      port: this.#port,
      token,
      ...(metrics !== false && { metrics: () => collect(overview), countsFromStart: metrics === true }),
    });
    this.#port = dashboard.port;
    this.#url = dashboard.url;
    void dashboard.exited.then(() => (this.#url = undefined));
    return dashboard;
  }
}

/** Collects metrics of all hosts from this moment on. */
async function collect(overview: Overview): Promise<Metrics> {
  const { metricsOf } = await import('../telemetry/metrics.ts');
  return metricsOf(overview.feed, {
    async resources() {
      const looked = (await overview.nodes()).flatMap(({ name, declared, claimed, used, threads }) =>
        used === null
          ? []
          : [[name, { declared, claimed, used: { ...used, threads: threads.filter(isLookedAt) } }] as const],
      );
      return Object.fromEntries(looked);
    },
  });
}

function isLookedAt<Thread extends { readonly utilization: number | null; readonly heapMb: number | null }>(
  thread: Thread,
): thread is Thread & { utilization: number; heapMb: number } {
  return thread.utilization !== null && thread.heapMb !== null;
}
