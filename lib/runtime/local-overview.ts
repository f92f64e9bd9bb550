/** The part of an `Overview` that each host answers for itself. */
import type { TreeNode } from '../workers/supervision/child.ts';
import type { RemoteWork } from '../hosts/cluster/remote-scheduler.ts';
import type { Cost } from '../dag/types.ts';
import { HandoffError } from '../core/errors.ts';
import type { Monitor } from './usage/monitor.ts';
import type { NodeResources } from './usage/resources.ts';
import type { FunctionDetail, NodeActivity, ThreadActivity } from '../events/activity.ts';
import { batchesOn } from '../scheduling/scheduler/dispatch/seats.ts';
import { limitsOn } from '../scheduling/scheduler/claims/limits.ts';
import type { Batch } from '../scheduling/scheduler/state.ts';
import type { Driver } from '../engine/driver.ts';
import { idsOf, nameOfRun } from '../engine/run-ids.ts';
import type { Explanation } from '../engine/explain.ts';
import type { OwnEvents } from './feed/local-events.ts';
import { detailOf } from './function-detail.ts';
import type { Supervisor } from '../workers/supervision/supervisor.ts';
import type { LocalNodes } from './local-nodes.ts';

export interface HereParts {
  readonly driver: Driver;
  readonly nodes: LocalNodes;
  /** The root of the supervision tree. */
  readonly root: Supervisor;
  readonly monitor: Monitor;
  readonly own: OwnEvents;
  /** The id of this host; undefined without a transport. */
  readonly id: string | undefined;
  /** Batches that other hosts run on threads of this host. */
  guestWork(): readonly RemoteWork[];
}

/** A thread of this host. Only the host that sent a batch knows its functions. */
export interface ThreadReport extends Omit<ThreadActivity, 'running'> {
  readonly running: { readonly host: string | undefined; readonly batch: number; readonly since: number } | null;
}

/** The nodes of one host, and the functions that it has sent to any node. */
export interface HostActivity {
  readonly id: string | undefined;
  readonly nodes: readonly (Omit<NodeActivity, 'host' | 'threads'> & { readonly threads: readonly ThreadReport[] })[];
  /** By batch number: the function that runs or runs next. */
  readonly functions: ReadonlyMap<
    number,
    { readonly runId: string; readonly dagId: string; readonly functionId: string }
  >;
}

export class OverviewHere {
  readonly #parts: HereParts;

  constructor(parts: HereParts) {
    this.#parts = parts;
  }

  /** @param by the host that asks, for the error text */
  cancel(runId: string, by: string): boolean {
    const driver = this.#parts.driver;
    const ids = driver.runs.get(runId)?.ids;
    if (ids === undefined) return false;
    driver.abort(runId, new HandoffError('ABORTED', `The ${nameOfRun(ids)} was cancelled on host ${by}.`, { ...ids }));
    return true;
  }

  explain(runId: string, functionId: string | undefined): Explanation {
    return this.#parts.driver.explain(runId, functionId);
  }

  functionDetail(runId: string, functionId: string): FunctionDetail {
    const found = this.#parts.own.find(runId);
    const i = found?.plan.indexOf(functionId) ?? -1;
    if (i < 0)
      throw new HandoffError(
        'NOT_FOUND',
        `Function ${JSON.stringify(functionId)} of run ${JSON.stringify(runId)} is not known on this host. Its run may have ended and its results been dropped.`,
        { runId, functionId },
      );
    return detailOf(found!.plan, i, found!.results);
  }

  tree(): TreeNode {
    const { root } = this.#parts;
    return { id: 'root', state: root.stopping ? 'stopping' : 'running', restarts: 0, ...root.inspect() };
  }

  async activity(): Promise<HostActivity> {
    const { monitor, nodes, driver, id } = this.#parts;
    const resources = await monitor.resources();
    return {
      id,
      nodes: nodes.names.map((name) => this.#node(name, resources[name])),
      functions: new Map(
        [...driver.state.batches.values()].map((batch) => [
          batch.id,
          { ...idsOf(batch.run), functionId: this.#current(batch) },
        ]),
      ),
    };
  }

  #node(name: string, resources: NodeResources | undefined): HostActivity['nodes'][number] {
    const { nodes, driver } = this.#parts;
    const actor = nodes.get(name)!;
    const { capabilities, threads } = actor.settings;
    const up = actor.threads;
    // otherwise a thread did not answer, and readings cannot be matched to threads
    const read = resources?.used.threads.length === up.length ? resources.used.threads : [];
    const claimed: Cost = resources?.claimed ?? {};
    return {
      name,
      claimed,
      ...(driver.state.limits.size > 0 && { limits: limitsOn(driver.state, name) }),
      declared: { ...capabilities },
      isUp: driver.state.nodeByName.get(name)?.up === true,
      used: resources === undefined ? null : { cpu: resources.used.cpu, memory: resources.used.memory },
      threads: Array.from({ length: threads }, (_, thread) => {
        const use = up.includes(thread) ? read[up.indexOf(thread)] : undefined;
        return { utilization: use?.utilization ?? null, heapMb: use?.heapMb ?? null, ...this.#thread(name, thread) };
      }),
    };
  }

  #thread(node: string, thread: number): Pick<ThreadReport, 'running' | 'queue'> {
    const { driver, nodes, guestWork, id } = this.#parts;
    const known = driver.state.nodeByName.get(node)?.threads[thread];
    const own = (known === undefined ? [] : batchesOn(known)).map((batch) => ({
      host: id,
      batch: batch.id,
      queue: batch.size - batch.done,
      isRunning: nodes.get(node)!.begun(thread, batch.id) > batch.done,
    }));
    const all = [...own, ...guestWork().filter((work) => work.node === node && work.thread === thread)];
    const running = all.find(({ isRunning }) => isRunning);
    return {
      queue: all.reduce((sum, { queue }) => sum + queue, 0),
      running:
        running === undefined
          ? null
          : {
              host: running.host,
              batch: running.batch,
              since: performance.timeOrigin + nodes.get(node)!.turnAt(thread),
            },
    };
  }

  /** On this host, the function begun last; on other hosts, the first that is not known to have ended. */
  #current({ run, thread, id, functions, done }: Batch): string {
    const begun = thread.node.host === 0 ? (this.#parts.nodes.get(thread.node.name)?.begun(thread.index, id) ?? 0) : 0;
    return run.plan.entries[functions[Math.min(Math.max(begun - 1, done), functions.length - 1)]!]!.id;
  }
}
