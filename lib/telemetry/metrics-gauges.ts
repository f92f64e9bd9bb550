/** Gauges of the current state, read only when Prometheus scrapes. */
/// <reference path="./prom-client-parts.d.ts" />
import type { Registry } from 'prom-client';
import Gauge from 'prom-client/lib/gauge.js';
import type { Capabilities, Cost } from '../dag/types.ts';

/** The entry of a node in `handoff.resources()`. */
export interface NodeUse {
  readonly declared: Capabilities;
  readonly claimed: Cost;
  readonly used: {
    readonly cpu: number;
    readonly memory: number;
    readonly threads: readonly { readonly utilization: number; readonly heapMb: number }[];
  };
}

export interface GaugeParts {
  named(name: string): string;
  readonly registry: Registry;
  readonly resources: (() => Promise<Readonly<Record<string, NodeUse>>>) | undefined;
  /** How many runs are in progress. */
  running(): number;
}

const MiB = 2 ** 20;

/** Sets the value of a gauge for a set of labels. */
type Set<Label extends string> = (labels: Readonly<Record<Label, string>>, value: number) => void;

export function addGauges({ named, registry, resources, running }: GaugeParts): void {
  const gauge = <Label extends string>(
    name: string,
    help: string,
    labelNames: readonly Label[],
    collect: (gauge: Gauge<Label>) => void | Promise<void>,
  ): void => {
    // eslint-disable-next-line no-new -- it registers itself
    new Gauge<Label>({
      name: named(name),
      help,
      labelNames,
      registers: [registry],
      collect() {
        return collect(this);
      },
    });
  };
  gauge('runs_running', 'Runs in progress.', [], (each) => each.set(running()));
  let before = performance.eventLoopUtilization();
  gauge(
    'event_loop_utilization_ratio',
    'Share of time since the last scrape in which the main thread was busy.',
    [],
    (each) => {
      const now = performance.eventLoopUtilization();
      each.set(performance.eventLoopUtilization(now, before).utilization);
      before = now;
    },
  );
  gauge('heap_used_bytes', 'Bytes used on the heap of the main thread.', [], (each) =>
    each.set(process.memoryUsage().heapUsed),
  );
  if (resources === undefined) return;

  const current = sharedLook(resources);
  const ofNodes = <Label extends string>(
    name: string,
    help: string,
    labelNames: readonly Label[],
    collect: (node: string, use: NodeUse, set: Set<Label>) => void,
  ): void => {
    gauge(name, help, labelNames, async (each) => {
      const nodes = await current();
      each.reset();
      for (const [node, use] of Object.entries(nodes)) collect(node, use, (labels, value) => each.set(labels, value));
    });
  };
  gauge('nodes_up', 'Reachable nodes.', [], async (each) => each.set(Object.keys(await current()).length));
  ofNodes(
    'node_capability',
    'Capacity of nodes by resource, in the unit of the resource (memory: MB).',
    ['node', 'resource'],
    (node, { declared }, set) => {
      for (const [resource, amount] of Object.entries(declared)) set({ node, resource }, amount!);
    },
  );
  ofNodes(
    'node_claimed',
    'Resources of nodes claimed by running functions, in the unit of the resource (memory: MB).',
    ['node', 'resource'],
    (node, { declared, claimed }, set) => {
      for (const resource of new Set([...Object.keys(declared), ...Object.keys(claimed)]))
        set({ node, resource }, claimed[resource] ?? 0);
    },
  );
  ofNodes('node_used_cores', 'Cores used by the threads of nodes.', ['node'], (node, { used }, set) =>
    set({ node }, used.cpu),
  );
  ofNodes('node_used_bytes', 'Memory held by the threads of nodes.', ['node'], (node, { used }, set) =>
    set({ node }, used.memory * MiB),
  );
  ofNodes(
    'thread_utilization_ratio',
    'Share of time in which worker threads are busy.',
    ['node', 'thread'],
    (node, { used: { threads } }, set) => {
      for (const [thread, { utilization }] of threads.entries()) set({ node, thread: String(thread) }, utilization);
    },
  );
  ofNodes(
    'thread_heap_bytes',
    'Memory of worker threads on and outside their heaps.',
    ['node', 'thread'],
    (node, { used: { threads } }, set) => {
      for (const [thread, { heapMb }] of threads.entries()) set({ node, thread: String(thread) }, heapMb * MiB);
    },
  );
}

/** One measurement for all gauges of a scrape. Empty after the Handoff has stopped. */
function sharedLook(
  resources: () => Promise<Readonly<Record<string, NodeUse>>>,
): () => Promise<Readonly<Record<string, NodeUse>>> {
  let under: Promise<Readonly<Record<string, NodeUse>>> | undefined;
  return () => {
    under ??= resources()
      .catch(() => ({}))
      .finally(() => (under = undefined));
    return under;
  };
}
