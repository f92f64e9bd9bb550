/** Sends changes to all connected pages, ten times a second. Without pages, nothing is read. */
import type { ServerResponse } from 'node:http';
import { messageOf } from '../core/message-of.ts';
import type { NodeActivity } from '../events/activity.ts';
import { timestamp } from '../events/events.ts';
import { remainingOf } from '../report/eta.ts';
import { type Board, Client, type Updates, type Progress, type Versioned } from './client.ts';
import type { History } from './history.ts';
import { type Hello, type Message, spanWidth } from './protocol.ts';
import type { Place, RunHistory } from './run-history.ts';
import type { Source } from './source.ts';
import { toRunView } from './views.ts';

// In ms.
const period = 100;
const nodesPeriod = 500;
const treesPeriod = 1000;
const beatPeriod = 15_000;
// An estimate reads the whole graph, so it may take at most one part in this many of the time.
const estimateShare = 200;
// For larger runs the running functions are skipped: they change the estimate little and take long to find.
const fewFunctions = 20_000;
const estimatePeriod = 1000;
// About half a megabyte of text.
const maxRows = 20_000;

const nothing: Versioned = { version: 0, message: '' };

export class Live implements Board {
  readonly #source: Source;
  readonly #history: History;
  readonly #hello: Omit<Hello, 'type' | 'now' | 'isReport'>;
  readonly #onError: (error: unknown) => void;
  readonly #clients = new Set<Client>();
  /** Messages built in this pass for one client, reused for the others. */
  readonly #made = new Map<string, unknown>();
  readonly #estimates = new WeakMap<RunHistory, number>();
  /** Reads in progress, and when each is due again. */
  readonly #looks = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;
  /** The journal was asked for earlier runs. */
  #hasRecalled = false;
  #seen: readonly NodeActivity[] = [];
  #lastNodes = '';
  nodes = nothing;
  trees = nothing;

  /** @param onError called if a message cannot be built */
  constructor(
    source: Source,
    history: History,
    hello: Omit<Hello, 'type' | 'now' | 'isReport'>,
    onError: (error: unknown) => void,
  ) {
    this.#onError = onError;
    this.#source = source;
    this.#history = history;
    this.#hello = hello;
  }

  /** How many pages are connected. */
  get clients(): number {
    return this.#clients.size;
  }

  /** @param run key of the run whose spans and marks are wanted too */
  connect(response: ServerResponse, run: string | undefined): void {
    const client = new Client(response, this, run);
    response.on('drain', () => this.#safely(() => client.catchUp()));
    this.#clients.add(client);
    response.on('close', () => {
      this.#clients.delete(client);
      if (this.#clients.size > 0) return;
      clearInterval(this.#timer);
      this.#timer = undefined;
    });
    this.#timer ??= setInterval(() => this.#safely(() => this.#tick()), period);
    void this.#recall();
    this.#safely(() => this.#tick());
  }

  stop(): void {
    clearInterval(this.#timer);
    for (const client of this.#clients) client.end();
    this.#clients.clear();
  }

  hello(): string {
    return JSON.stringify({ type: 'hello', ...this.#hello, now: timestamp(), isReport: false } satisfies Message);
  }

  runs(since: number, known: ReadonlySet<string>): Updates | undefined {
    const { version } = this.#history;
    if (version === since) return undefined;
    return this.#once(`runs ${since} ${[...known].join()}`, () => {
      const all = [...this.#history.runs];
      const keys = new Set(all.map(({ key }) => key));
      const runs = all.filter((run) => run.version > since).map(toRunView);
      return {
        message: JSON.stringify({
          type: 'runs',
          runs,
          gone: [...known].filter((key) => !keys.has(key)),
        } satisfies Message),
        version,
        keys,
      };
    });
  }

  run(key: string): RunHistory | undefined {
    return this.#history.get(key);
  }

  progress(run: RunHistory, from: Place): Progress {
    return this.#once(`progress ${run.key} ${from.rows} ${from.tracks} ${from.marks} ${from.spared}`, () => {
      const spared = run.spared.since(from.spared, run.key);
      const spans = run.spansSince(from, maxRows);
      const marks = run.marksSince(from);
      return {
        messages: [spared, spans, marks]
          .filter((each) => each !== undefined)
          .map((each) => JSON.stringify(each satisfies Message)),
        to: {
          rows: spans === undefined ? from.rows : spans.from + spans.rows.length / spanWidth,
          tracks: run.tracks.length,
          marks: marks === undefined ? from.marks : marks.from + marks.marks.length,
          spared: run.spared.count,
        },
      };
    });
  }

  /** Builds a message once per pass. It is complete on its own, so that a client that joins later misses nothing. */
  #once<Made>(what: string, make: () => Made): Made {
    let made = this.#made.get(what) as Made | undefined;
    if (made === undefined) this.#made.set(what, (made = make()));
    return made;
  }

  #safely(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#onError(error);
    }
  }

  #tick(): void {
    this.#made.clear();
    this.#look('nodes', nodesPeriod, () => this.#lookAtNodes());
    this.#look('trees', treesPeriod, async () => {
      this.trees = changed(
        this.trees,
        JSON.stringify({ type: 'trees', trees: await this.#source.trees() } satisfies Message),
      );
    });
    for (const run of this.#history.runs) if (!run.isOver) this.#estimate(run);
    for (const client of this.#clients) {
      client.advance();
      client.beat(beatPeriod);
    }
  }

  /** Takes up the runs that the journal has from before the first page. The dashboard works without them. */
  async #recall(): Promise<void> {
    if (this.#hasRecalled) return;
    this.#hasRecalled = true;
    const isKnown = (runId: string): boolean =>
      [...this.#history.runs].some(({ record }) => record.graph.runId === runId);
    try {
      for await (const events of this.#source.recorded?.(isKnown) ?? [])
        for (const event of events) this.#history.record(event);
    } catch (error) {
      process.emitWarning(`The dashboard cannot show the runs of the journal: ${messageOf(error)}`, 'HandoffWarning');
    }
  }

  /** Runs a read at most once per `every` ms and never twice at a time. An error leaves the last values in place. */
  #look(what: string, every: number, look: () => Promise<void>): void {
    const now = performance.now();
    if (now < (this.#looks.get(what) ?? 0)) return;
    this.#looks.set(what, Infinity);
    void look()
      .catch(() => {})
      .then(() => this.#looks.set(what, now + every));
  }

  async #lookAtNodes(): Promise<void> {
    const nodes = await this.#source.nodes();
    this.#seen = nodes;
    for (const { name, host } of nodes) this.#history.nodeIsOn(name, host);
    for (const run of this.#history.runs) {
      if (run.isOver) continue;
      const { runId } = run.record.graph;
      const running = nodes.reduce(
        (sum, { threads }) => sum + threads.filter((thread) => thread.running?.runId === runId).length,
        0,
      );
      if (running !== run.running) this.#history.touch(Object.assign(run, { running }));
    }
    const message = JSON.stringify(nodes);
    if (message !== this.#lastNodes)
      this.nodes = {
        version: this.nodes.version + 1,
        message: `{"type":"nodes","at":${timestamp()},"nodes":${message}}`,
      };
    this.#lastNodes = message;
  }

  #estimate(run: RunHistory): void {
    const begun = performance.now();
    if (begun < (this.#estimates.get(run) ?? 0) || timestamp() < run.record.startedAt! + estimatePeriod) return;
    const nodes = this.#seen
      .filter(({ isUp }) => isUp)
      .map(({ threads, declared }) => ({ threads: threads.length, capabilities: declared }));
    const remaining = remainingOf(run.record, timestamp(), nodes, this.#runningOf(run)) ?? null;
    if (remaining !== run.remaining) this.#history.touch(Object.assign(run, { remaining }));
    const now = performance.now();
    this.#estimates.set(run, now + Math.max(estimatePeriod, (now - begun) * estimateShare));
  }

  /** Start times of the running functions of a run. */
  #runningOf({ record }: RunHistory): Map<number, number> {
    const running = new Map<number, number>();
    const { graph } = record;
    if (graph.ids.length > fewFunctions) return running;
    for (const { threads } of this.#seen) {
      for (const { running: now } of threads) {
        const i = now?.runId === graph.runId ? record.index.get(now.functionId) : undefined;
        if (i !== undefined) running.set(i, now!.since);
      }
    }
    return running;
  }
}

function changed(before: Versioned, message: string): Versioned {
  return message === before.message ? before : { version: before.version + 1, message };
}
