/** The state of the page, built from messages. Views read it and redraw when it reports a change. */
import type { RunGraph } from '../../events/run-graph.ts';
import type { TreeNode } from '../../workers/supervision/child.ts';
import type { Hello, Message, NodeView, Runs, RunView } from '../protocol.ts';
import { NodeHistory } from './history.ts';
import { RateMeter } from './rate.ts';
import { type Live, type OfRun, RunData } from './run-data.ts';

/** `'report'`: a report has no connection. */
export type ConnectionState = 'connecting' | 'live' | 'lost' | 'report';

export interface StoreHooks {
  /** The state has changed. */
  changed(): void;
  /** Requests the graph of a run; pass it to `addGraph`. */
  needGraph(key: string): void;
  /** The run has more functions than its graph here: requests a newer one. */
  hasGrown(key: string): void;
}

export class Store {
  hello: Hello | undefined;
  connection: ConnectionState = 'connecting';
  /** By key, in start order. */
  runs: ReadonlyMap<string, RunView> = new Map();
  nodes: readonly NodeView[] = [];
  trees: Readonly<Record<string, TreeNode>> = {};
  /** The displayed run. */
  key: string | null = null;
  /** Undefined until its graph has arrived. */
  data: RunData | undefined;
  readonly history = new NodeHistory();
  /** Rate of the displayed run. */
  readonly rate = new RateMeter();
  /**
   * ms by which the server's clock is ahead of `performance.now()`, which does not change when the reader's clock is
   * set.
   */
  #clockOffset = -Infinity;
  readonly #hooks: StoreHooks;
  /** Messages of the displayed run that arrived before its graph. */
  #early: OfRun[] = [];
  /** The run has more functions than the graph here: a newer one was asked for. */
  #isGrowing = false;
  /** The run the reader has selected; null: always the newest. */
  #wanted: string | null;
  /** The server sends all runs again. The old ones stay visible until then. */
  #areRunsStale = false;

  /** @param wanted the run to display, if it exists; otherwise the newest */
  constructor(hooks: StoreHooks, wanted: string | null = null) {
    this.#hooks = hooks;
    this.#wanted = wanted;
  }

  get run(): RunView | undefined {
    return this.key === null ? undefined : this.runs.get(this.key);
  }

  /** ms from the start of the displayed run to now or to its end. */
  get elapsed(): number {
    const { run } = this;
    if (run === undefined) return 0;
    return Math.max((run.endedAt ?? performance.now() + this.#clockOffset) - run.startedAt, 0);
  }

  apply(message: Message): void {
    switch (message.type) {
      case 'hello':
        this.#onHello(message);
        break;
      case 'runs':
        this.#takeRuns(message);
        break;
      case 'nodes':
        // A delayed message would make the offset too small, so the maximum counts.
        this.#clockOffset = Math.max(this.#clockOffset, message.at - performance.now());
        this.nodes = message.nodes;
        this.history.add(message.at, message.nodes);
        this.#updateLive();
        break;
      case 'trees':
        this.trees = message.trees;
        break;
      case 'attempts':
      case 'spared':
      case 'marks':
        if (message.run !== this.key) return;
        this.#takeRows(message);
    }
    this.#hooks.changed();
  }

  setConnection(state: ConnectionState): void {
    if (state === this.connection) return;
    this.connection = state;
    this.#hooks.changed();
  }

  /** Displays a run, and keeps it when a newer one begins. */
  choose(key: string | null): void {
    this.#wanted = key;
    this.#show(key);
  }

  /** What is about the displayed run. It waits for its graph, also when the run has grown since. */
  #takeRows(message: OfRun): void {
    const { data } = this;
    if (data === undefined || this.#isGrowing) return void this.#early.push(message);
    if (data.isBeyond(message)) {
      this.#early.push(message);
      this.#askForGrowth();
    } else data.add(message);
  }

  #askForGrowth(): void {
    if (this.#isGrowing) return;
    this.#isGrowing = true;
    this.#hooks.hasGrown(this.key!);
  }

  addGraph(key: string, graph: RunGraph): void {
    if (key !== this.key || (this.data !== undefined && !this.#isGrowing)) return;
    if (this.data === undefined) this.data = new RunData(key, graph);
    else this.data.grow(graph);
    this.#isGrowing = false;
    for (const message of this.#early.splice(0)) this.#takeRows(message);
    this.#updateLive();
    this.#hooks.changed();
  }

  #show(key: string | null): void {
    if (key === this.key) return;
    this.key = key;
    this.data = undefined;
    this.#isGrowing = false;
    this.#early = [];
    this.rate.clear();
    if (key !== null) this.#hooks.needGraph(key);
    this.#hooks.changed();
  }

  #onHello(hello: Hello): void {
    const isOther = this.hello !== undefined && this.hello.server !== hello.server;
    this.hello = hello;
    this.#clockOffset = hello.now - performance.now();
    this.#early = [];
    this.#isGrowing = false;
    this.data?.restart();
    this.#areRunsStale = true;
    if (!isOther) return;
    // Another server has other runs, possibly under equal keys.
    this.history.clear();
    this.nodes = [];
    this.trees = {};
    this.runs = new Map();
    this.key = null;
    this.#wanted = null;
    this.data = undefined;
  }

  #takeRuns({ runs, gone }: Runs): void {
    const all = new Map(this.#areRunsStale ? [] : this.runs);
    this.#areRunsStale = false;
    for (const run of runs) all.set(run.key, run);
    for (const key of gone) all.delete(key);
    this.runs = new Map([...all].sort(([, a], [, b]) => a.startedAt - b.startedAt));
    const newest = [...this.runs.keys()].at(-1) ?? null;
    // A running run stays on display when another begins.
    const isToStay = this.run !== undefined && (this.#wanted === this.key || this.run.state === 'running');
    if (!isToStay) this.#show(this.#wanted !== null && this.runs.has(this.#wanted) ? this.#wanted : newest);
    if (this.run !== undefined) this.rate.add(this.elapsed, this.run.done);
    if (this.data !== undefined && (this.run?.grown ?? 0) > (this.data.graph.growth?.length ?? 0)) this.#askForGrowth();
    this.#updateLive();
  }

  #updateLive(): void {
    const { data, run } = this;
    if (data === undefined || run === undefined) return;
    data.isOver = run.state !== 'running';
    if (data.isOver) return data.setLive([]);
    const live: Live[] = [];
    for (const node of this.nodes) {
      for (const [thread, { running }] of node.threads.entries()) {
        if (running === null || running.runId !== run.runId) continue;
        const fn = data.index.get(running.functionId);
        if (fn === undefined) continue;
        live.push({ fn, host: node.host, node: node.name, thread, since: Math.max(running.since - run.startedAt, 0) });
      }
    }
    data.setLive(live);
  }
}
