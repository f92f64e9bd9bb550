/**
 * Measures what the nodes of this host really use, on request:
 *
 * ```
 *   resources()                    once, over 100 ms
 *   a node's `probe`               every interval; what it returns changes the node's capabilities
 *   an observing tracker           every interval, if an interval is set
 *   functions with a memory claim  every interval while they run, on monitored nodes
 * ```
 *
 * Without a request nothing is measured.
 */
import { add } from '../../scheduling/resources/amounts.ts';
import { DynamicResourceTracker } from '../../scheduling/resources/dynamic-resource-tracker.ts';
import { type ResourceTracker, SimpleResourceTracker } from '../../scheduling/resources/resource-tracker.ts';
import type { Capabilities, Cost } from '../../dag/types.ts';
import { HandoffError } from '../../core/errors.ts';
import type { NodeActor } from '../../workers/node/node-actor.ts';
import { type EventType, type HandoffEvent, timestamp } from '../../events/events.ts';
import type { Batch, State } from '../../scheduling/scheduler/state.ts';
import { ClaimWatch, type Overuse } from './claim-watch.ts';
import { late } from './heap.ts';
import { functionsUse, hostUse, nodeUse, nothingRead, read, type Reading } from './meter.ts';
import type { NodePolicy, NodeResources } from './resources.ts';
import { Ticker } from './ticker.ts';

// Length of one measurement for `resources()`, in ms.
const moment = 100;
const defaultInterval = 1000;

export interface MonitorOptions {
  /** In ms; undefined: only nodes with their own policy are measured. */
  readonly interval: number | undefined;
  /** By node. */
  readonly policies: ReadonlyMap<string, NodePolicy>;
}

export interface MonitorParts {
  readonly tracker: ResourceTracker;
  readonly publisher: { wants(type: EventType): boolean; publish(event: HandoffEvent): void };
  readonly state: State;
  /** The nodes of this host. */
  readonly nodes: () => readonly NodeActor[];
  /** @throws `INVALID_OPTION` when the capabilities are invalid */
  readonly change: (node: string, capabilities: Capabilities) => Promise<unknown>;
  /** More of a node may be free than before. */
  readonly freed: (node: string) => void;
  /** Reports to the host that sent the function. */
  readonly reportToOwner: (overuse: Overuse) => void;
}

export class Monitor {
  readonly #options: MonitorOptions;
  readonly #parts: MonitorParts;
  readonly #claims: ClaimWatch;
  readonly #ticker: Ticker;
  readonly #lowestUse = new WeakMap();
  /** Nodes whose `monitor` has not returned yet. */
  readonly #asking = new Set<string>();
  #last: Reading | undefined;

  constructor(options: MonitorOptions, parts: MonitorParts) {
    this.#options = options;
    this.#parts = parts;
    const interval = options.interval ?? defaultInterval;
    this.#claims = new ClaimWatch(interval, (overuse) => this.#overuse(overuse));
    this.#ticker = new Ticker(interval, () => this.#tick());
  }

  /** Called before a node of this host starts. */
  nodeUp(actor: NodeActor): void {
    const { name } = actor.settings;
    const { interval, policies } = this.#options;
    const policy = policies.get(name);
    const enforced = policy?.enforceMemory === true;
    if (interval !== undefined || enforced || policy?.probe !== undefined) {
      actor.onSend = (index, thread, batch) => {
        // Whether other hosts listen is unknown, so their functions are always watched.
        if (enforced || batch.id < 0 || this.#parts.publisher.wants('function:memory-exceeded'))
          this.#claims.sent(name, index, thread, batch, enforced);
      };
    }
    if (policy?.probe === undefined && this.#observing === undefined) return;
    this.#last ??= nothingRead();
    this.#ticker.start();
  }

  stop(): void {
    this.#ticker.stop();
    this.#claims.stop();
  }

  /** What the nodes of this host declare, what is claimed, and what they use. */
  async resources(): Promise<Record<string, NodeResources>> {
    const before = await read(this.#parts.nodes());
    await late(moment).passed;
    const after = await read(this.#parts.nodes());
    return Object.fromEntries(
      this.#parts.nodes().map((node) => [node.settings.name, this.#resourcesOf(node, before, after)]),
    );
  }

  /** Handles a report of another host about a function of ours. `batch` is our number of its batch. */
  overuseElsewhere({ batch: id, claimedMb, usedMb }: Overuse, host: number): void {
    const batch = this.#parts.state.batches.get(id);
    if (batch?.thread.node.host === host) this.#publish(batch, claimedMb, usedMb);
  }

  get #observing(): DynamicResourceTracker | undefined {
    const { tracker } = this.#parts;
    return this.#options.interval !== undefined && tracker instanceof DynamicResourceTracker ? tracker : undefined;
  }

  async #tick(): Promise<boolean> {
    const nodes = this.#parts.nodes();
    const after = await read(nodes);
    const before = this.#last!;
    this.#last = after;
    for (const node of nodes) {
      const policy = this.#options.policies.get(node.settings.name);
      if (policy?.probe !== undefined) void this.#ask(node, policy.probe, before, after);
      this.#observe(node, before, after);
    }
    return true;
  }

  #resourcesOf(node: NodeActor, before: Reading, after: Reading): NodeResources {
    const { name, capabilities } = node.settings;
    return {
      declared: { ...capabilities },
      claimed: this.#claimed(name),
      used: nodeUse(node, before, after),
      host: hostUse(before, after),
    };
  }

  /** Claims of all hosts, if the tracker lists them; otherwise only those of this host's runs. */
  #claimed(node: string): Cost {
    const { tracker, state } = this.#parts;
    if (!(tracker instanceof SimpleResourceTracker)) return nonZero(state.nodeByName.get(node)?.claimed ?? {});
    const sum: Record<string, number> = {};
    for (const claim of tracker.claims(node).values()) add(sum, claim);
    return nonZero(sum);
  }

  async #ask(node: NodeActor, probe: NonNullable<NodePolicy['probe']>, before: Reading, after: Reading): Promise<void> {
    const { name } = node.settings;
    if (this.#asking.has(name)) return;
    this.#asking.add(name);
    try {
      const changed = await probe(this.#resourcesOf(node, before, after));
      if (changed !== undefined && this.#parts.nodes().includes(node)) await this.#parts.change(name, changed);
    } catch (error) {
      if (!isStopped(error) && this.#parts.publisher.wants('probe:failed'))
        this.#parts.publisher.publish({ type: 'probe:failed', at: timestamp(), node: name, error });
    } finally {
      this.#asking.delete(name);
    }
  }

  #observe(node: NodeActor, before: Reading, after: Reading): void {
    const tracker = this.#observing;
    if (tracker === undefined) return;
    const { name, capabilities } = node.settings;
    const used = functionsUse(node, before, after, this.#lowestUse);
    const { freeMemoryMb } = hostUse(before, after);
    const free: Record<string, number> = {};
    if (capabilities['cpu'] !== undefined) free['cpu'] = Math.max(0, capabilities['cpu'] - used.cpu);
    if (capabilities['memory'] !== undefined)
      free['memory'] = Math.max(0, Math.min(capabilities['memory'] - used.memory, freeMemoryMb));
    const known = tracker.observed(name);
    tracker.observe(name, free);
    if (
      known !== undefined &&
      Object.entries(free).some(([resource, amount]) => amount > (known[resource] ?? Infinity))
    )
      this.#parts.freed(name);
  }

  #overuse(overuse: Overuse): void {
    if (overuse.batch < 0) return this.#parts.reportToOwner(overuse);
    const batch = this.#parts.state.batches.get(overuse.batch);
    if (batch !== undefined) this.#publish(batch, overuse.claimedMb, overuse.usedMb);
  }

  #publish({ run, functions, thread }: Batch, claimedMb: number, usedMb: number): void {
    const { publisher } = this.#parts;
    if (publisher.wants('function:memory-exceeded'))
      publisher.publish({
        type: 'function:memory-exceeded',
        at: timestamp(),
        runId: run.id,
        dagId: run.plan.dagId,
        functionId: run.plan.entries[functions[0]!]!.id,
        node: thread.node.name,
        claimedMb,
        usedMb,
      });
  }
}

function nonZero(amounts: Cost): Cost {
  return Object.fromEntries(Object.entries(amounts).filter(([, amount]) => amount > 0));
}

function isStopped(error: unknown): boolean {
  return error instanceof HandoffError && error.code === 'STOPPED';
}
