/**
 * The supervision tree of a Handoff, modelled on the `Handoff.Supervisor` of the Elixir library:
 *
 * ```
 * root (rest-for-one)
 * ├── registry     locations of values
 * ├── store        results
 * ├── resources    claims of nodes
 * ├── dashboard    the HTTP server, if enabled (one-for-one)
 * ├── transport    channels to other hosts, if any
 * ├── nodes        one NodeActor per node (one-for-one), each over its worker threads (one-for-one)
 * ├── actors       user actors, each group under a supervisor as declared
 * └── runs         one per run (temporary)
 * ```
 */
import { resident } from '../workers/supervision/child.ts';
import type { Running } from '../workers/supervision/child.ts';
import { Supervisor } from '../workers/supervision/supervisor.ts';
import { HandoffError } from '../core/errors.ts';
import type { NodeSettings } from '../workers/node/thread-pool.ts';
import type { LocationRegistry } from '../workers/store/location-registry.ts';
import type { ResultStore } from '../workers/store/result-store.ts';
import type { Actors } from './actors/actors.ts';
import type { ActiveRun } from '../engine/active-run.ts';
import type { RunIds } from '../engine/run-ids.ts';
import type { Driver } from '../engine/driver.ts';
import type { Publisher } from '../engine/event-publisher.ts';
import type { LocalNodes } from './local-nodes.ts';
import { restartsTo } from './restart-events.ts';

/** The supervisor of all others, without children yet. */
export function createRoot(publisher: Publisher): Supervisor {
  const onRestart = restartsTo(publisher);
  return new Supervisor({ strategy: 'rest-for-one', onRestart: (child, exit) => onRestart('root', child, exit) });
}

export interface TreeParts {
  readonly root: Supervisor;
  readonly registry: LocationRegistry;
  readonly store: ResultStore;
  readonly driver: Driver;
  readonly nodes: LocalNodes;
  readonly actors: Actors;
  /** Undefined without a transport. */
  readonly hosts?: { start(): Running | Promise<Running> } | undefined;
  /** Measures what nodes use. */
  readonly monitor?: { stop(): void };
  readonly dashboard?: { start(): Promise<Running> } | undefined;
}

export class RuntimeTree {
  readonly root: Supervisor;
  readonly #parts: TreeParts;
  #runs: Supervisor | undefined;
  #runsStarted = Promise.withResolvers<void>();
  #closing = false;

  constructor(parts: TreeParts) {
    this.#parts = parts;
    this.root = parts.root;
  }

  /** Starts everything from the top down. A failed start stops what it has started. */
  async start(settings: readonly NodeSettings[]): Promise<void> {
    const { registry, store, driver, actors, monitor } = this.#parts;
    try {
      await this.root.startChild({ id: 'registry', start: () => resident(() => registry.stop()) });
      await this.root.startChild({ id: 'store', start: () => resident(() => store.stop()) });
      await this.root.startChild({
        id: 'resources',
        start: () =>
          resident(() => {
            monitor?.stop();
            driver.stop();
          }),
      });
      const { dashboard, hosts, nodes } = this.#parts;
      // Before the nodes, so that it sees them start and stop; temporary, so that its failure does not affect them.
      if (dashboard !== undefined)
        await this.root.startChild({ id: 'dashboard', restart: 'temporary', start: () => dashboard.start() });
      if (hosts !== undefined)
        await this.root.startChild({ id: 'transport', shutdownTimeout: Infinity, start: () => hosts.start() });
      await this.root.startChild({ id: 'nodes', shutdownTimeout: Infinity, start: () => nodes.start(settings) });
      await this.root.startChild({
        id: 'actors',
        shutdownTimeout: Infinity,
        start: (givenUp) => actors.start(givenUp),
      });
      await this.root.startChild({ id: 'runs', shutdownTimeout: Infinity, start: () => this.#startRuns() });
    } catch (error) {
      await this.root.stop();
      throw error;
    }
  }

  /** Adds a run. During a restart of nodes and runs it waits for the end of the restart. */
  async addRun(run: ActiveRun): Promise<void> {
    while (this.#runs!.stopping && !this.#closing) await this.#runsStarted.promise;
    this.#parts.nodes.workArrived();
    await this.#runs!.startChild({ id: run.id, restart: 'temporary', shutdownTimeout: Infinity, start: () => run });
  }

  /** The error of a run that its supervisor stops. */
  whyStopped(ids: RunIds): HandoffError {
    return this.#closing
      ? new HandoffError(
          'STOPPED',
          'This Handoff is being stopped and accepts no more work. Start another one with Handoff.start().',
          { ...ids },
        )
      : new HandoffError('NODE_DOWN', 'The nodes of this host failed too often. All of them are being restarted.', {
          ...ids,
        });
  }

  /** Stops everything from the bottom up. */
  async stop(): Promise<void> {
    this.#closing = true;
    this.#parts.nodes.close();
    this.#runsStarted.resolve();
    await this.root.stop();
    this.#parts.actors.end();
  }

  #startRuns(): Supervisor {
    const runs = new Supervisor({});
    this.#runs = runs;
    this.#runsStarted.resolve();
    this.#runsStarted = Promise.withResolvers();
    return runs;
  }
}
