/**
 * A run as Chrome trace events for Perfetto and chrome://tracing: a process per host, a thread per worker, a slice per
 * attempt, an arrow per dependency, and counters for claimed and used resources.
 *
 * Format: "Trace Event Format", Google, 2016 (`ph` X: complete event; M: metadata; s, f: start and end of a flow; C:
 * counter; i: instant). Times in µs.
 */
import { messageOf } from '../core/message-of.ts';
import type { NodeActivity } from '../events/activity.ts';
import { claimsOf, type Steps, thinned } from './claims.ts';
import { bounds, criticalChain } from './critical-chain.ts';
import type { HandoffEvent } from '../events/events.ts';
import { Outcome, type RunRecord } from './run-record.ts';
import { type TraceEvent, Places } from './trace-places.ts';

interface Instant {
  readonly at: number;
  readonly name: string;
  readonly node: string | undefined;
  /** -1 if it belongs to no thread. */
  readonly track: number;
  readonly args: Readonly<Record<string, unknown>>;
}

// A counter with more points than a screen has pixels shows no more detail.
const maxPoints = 4000;
const chunkLength = 1 << 16;

/** The events it needs besides those of a `RunRecord`. */
export const tracedEvents = [
  'function:speculated',
  'function:skipped',
  'function:retrying',
  'function:failed',
  'result:fetched',
  'result:lost',
  'result:recomputing',
  'worker:crashed',
  'node:down',
  'attempts',
] as const;

/** Records what a `RunRecord` does not keep: every attempt, and what went wrong. */
export class TraceRecorder {
  readonly #record: RunRecord;
  /** One entry per attempt that ended. */
  readonly #attempts = {
    fn: [] as number[],
    track: [] as number[],
    begun: [] as number[],
    ended: [] as number[],
    attempt: [] as number[],
    failed: [] as number[],
  };
  /** Keyed by `attempt:function`. */
  readonly #errors = new Map<string, string>();
  readonly #instants: Instant[] = [];
  readonly #used = new Map<string, { readonly cpu: [number, number][]; readonly memory: [number, number][] }>();
  readonly #hosts = new Map<string, string>();
  readonly #capabilities = new Map<string, NodeActivity['declared']>();

  /** @param record must take in each event before this recorder does */
  constructor(record: RunRecord) {
    this.#record = record;
  }

  /** Takes in an event and ignores events of other runs. */
  record(event: HandoffEvent): void {
    if ('runId' in event && event.runId !== this.#record.graph.runId) return;
    const { index, tracks } = this.#record;
    switch (event.type) {
      case 'attempts':
        return this.#spans(event);
      case 'function:retrying':
      case 'function:failed': {
        const error = messageOf(event.error);
        this.#errors.set(`${event.attempt}:${event.functionId}`, error);
        const i = index.get(event.functionId) ?? -1;
        const track = i >= 0 ? this.#record.track[i]! : -1;
        const what = event.type === 'function:retrying' ? 'retry' : 'failure';
        this.#instants.push({
          at: event.at,
          name: `${what} of ${event.functionId}`,
          node: event.node,
          track: tracks[track]?.node === event.node ? track : -1,
          args: { attempt: event.attempt, error },
        });
        return;
      }
      case 'function:speculated':
        return this.#note(event.at, `copy of ${event.functionId} started`, event.node, { attempt: event.attempt });
      case 'function:skipped':
        return this.#note(event.at, `${event.functionId} skipped`, undefined, {});
      case 'result:fetched':
        return this.#note(event.at, `result of ${event.functionId} fetched`, event.node, { bytes: event.bytes });
      case 'result:lost':
        return this.#note(event.at, `result of ${event.functionId} lost`, undefined, {});
      case 'result:recomputing':
        return this.#note(event.at, `result of ${event.functionId} recomputed`, undefined, {});
      case 'worker:crashed':
        this.#instants.push({
          at: event.at,
          name: `worker ${event.thread} crashed`,
          node: event.node,
          track: tracks.findIndex(({ node, thread }) => node === event.node && thread === event.thread),
          args: { reason: event.reason, ...(event.error !== undefined && { error: messageOf(event.error) }) },
        });
        return;
      case 'node:down':
        return this.#note(event.at, `node ${event.node} down`, event.node, { error: messageOf(event.error) });
    }
  }

  /** Takes in a measurement of the nodes. */
  sample(at: number, nodes: readonly NodeActivity[]): void {
    for (const { name, host, declared, used } of nodes) {
      this.#hosts.set(name, host);
      this.#capabilities.set(name, declared);
      if (used === null) continue;
      const series = this.#used.get(name) ?? { cpu: [], memory: [] };
      this.#used.set(name, series);
      series.cpu.push([at, used.cpu]);
      series.memory.push([at, used.memory]);
    }
  }

  /** The trace file in pieces. */
  *chunks(): Generator<string> {
    let chunk = '';
    let comma = '';
    const {
      graph: { runId, dagId },
    } = this.#record;
    chunk += '{"displayTimeUnit":"ms","otherData":';
    chunk += JSON.stringify({
      producer: 'handoff',
      runId,
      dagId,
      startedAt: new Date(bounds(this.#record)[0]).toISOString(),
      nodes: Object.fromEntries(this.#capabilities),
    });
    chunk += ',"traceEvents":[\n';
    for (const event of this.events()) {
      chunk += comma + JSON.stringify(event);
      comma = ',\n';
      if (chunk.length < chunkLength) continue;
      yield chunk;
      chunk = '';
    }
    chunk += '\n],"functions":[\n';
    comma = '';
    for (const each of this.#functions()) {
      chunk += comma + JSON.stringify(each);
      comma = ',\n';
      if (chunk.length < chunkLength) continue;
      yield chunk;
      chunk = '';
    }
    yield `${chunk}\n]}\n`;
  }

  /** The graph, which slices and arrows show only as far as it ran. */
  *#functions(): Generator<Readonly<Record<string, unknown>>> {
    const { graph, outcome } = this.#record;
    for (const [i, id] of graph.ids.entries())
      yield {
        id,
        function: graph.names[graph.code[i]!]!,
        after: graph.deps[i]!,
        ...(outcome[i] === Outcome.skipped && { skipped: true }),
      };
  }

  /** The trace events, not sorted by time. */
  *events(): Generator<TraceEvent> {
    const places = new Places(this.#record, this.#hosts);
    const origin = this.#origin();
    const micros = (at: number): number => Math.max(0, Math.round((at - origin) * 1e6) / 1e3);
    yield* places.metadata();
    yield this.#run(places, micros);
    yield* this.#slices(places, micros);
    yield* this.#flows(places, micros);
    yield* this.#counters(places, micros);
    for (const { at, name, node, track, args } of this.#instants) {
      const place = places.ofTrack(track) ?? places.ofNode(node);
      yield { name, ph: 'i', s: track >= 0 ? 't' : 'p', cat: 'mark', ...place, ts: micros(at), args };
    }
  }

  #note(at: number, name: string, node: string | undefined, args: Readonly<Record<string, unknown>>): void {
    this.#instants.push({ at, name, node, track: -1, args });
  }

  #spans({ node, thread, functionIds, attempts, spans, failed }: Extract<HandoffEvent, { type: 'attempts' }>): void {
    const columns = this.#attempts;
    const { index, tracks } = this.#record;
    const track = tracks.findLastIndex((each) => each.node === node && each.thread === thread);
    let next = 0;
    for (let k = 0; k < functionIds.length; k++) {
      const hasFailed = failed[next] === k;
      if (hasFailed) next++;
      const i = index.get(functionIds[k]!);
      if (i === undefined) continue;
      columns.fn.push(i);
      columns.track.push(track);
      columns.begun.push(spans[2 * k]!);
      columns.ended.push(spans[2 * k + 1]!);
      columns.attempt.push(attempts[k]!);
      columns.failed.push(hasFailed ? 1 : 0);
    }
  }

  #origin(): number {
    const [from] = bounds(this.#record);
    return this.#attempts.begun.reduce((first, at) => Math.min(first, at), from);
  }

  #run(places: Places, micros: (at: number) => number): TraceEvent {
    const [from, to] = bounds(this.#record);
    const { graph, done, failed, retries, error } = this.#record;
    return {
      name: `run ${graph.dagId}`,
      ph: 'X',
      cat: 'run',
      ...places.ofRun,
      ts: micros(from),
      dur: micros(to) - micros(from),
      args: { functions: graph.ids.length, done, failed, retries, ...(error !== undefined && { error }) },
    };
  }

  *#slices(places: Places, micros: (at: number) => number): Generator<TraceEvent> {
    const { graph, tracks, bytes, outcome } = this.#record;
    const { fn, track, begun, ended, attempt, failed } = this.#attempts;
    const critical = new Set(criticalChain(this.#record, this.#capabilities).links.map(({ functionId }) => functionId));
    for (let k = 0; k < fn.length; k++) {
      const i = fn[k]!;
      const id = graph.ids[i]!;
      const { node, thread } = tracks[track[k]!]!;
      const [ts, end] = [micros(begun[k]!), micros(ended[k]!)];
      const error = failed[k] === 1 ? (this.#errors.get(`${attempt[k]}:${id}`) ?? 'failed') : undefined;
      yield {
        name: id,
        ph: 'X',
        cat: 'function',
        ...places.ofTrack(track[k]!)!,
        ts,
        dur: Math.max(0, Math.round((end - ts) * 1000) / 1000),
        args: {
          function: graph.names[graph.code[i]!]!,
          node,
          thread,
          attempt: attempt[k],
          ...(critical.has(id) && { critical: true }),
          ...(outcome[i] === Outcome.done && bytes[i]! > 0 && { bytes: bytes[i] }),
          ...(error !== undefined && { error }),
        },
      };
    }
  }

  /** An arrow from the end of each producer to the start of each consumer. */
  *#flows(places: Places, micros: (at: number) => number): Generator<TraceEvent> {
    const { graph, outcome, begun, ended, track } = this.#record;
    let id = 0;
    for (let to = 0; to < graph.deps.length; to++) {
      if (track[to]! < 0) continue;
      for (const from of graph.deps[to]!) {
        if (outcome[from] !== Outcome.done || track[from]! < 0) continue;
        id++;
        const begins = micros(begun[to]!);
        // The start must lie inside the producer's slice: an arrow belongs to the slice that is open where it starts.
        const leaves = Math.max(
          micros(begun[from]!),
          Math.min(Math.round((micros(ended[from]!) - 0.001) * 1000) / 1000, begins),
        );
        const of = { name: 'result', cat: 'edge', id };
        yield {
          ...of,
          ph: 's',
          ...places.ofTrack(track[from]!)!,
          ts: leaves,
          args: { from: graph.ids[from]!, to: graph.ids[to]! },
        };
        yield { ...of, ph: 'f', bp: 'e', ...places.ofTrack(track[to]!)!, ts: Math.max(begins, leaves) };
      }
    }
  }

  *#counters(places: Places, micros: (at: number) => number): Generator<TraceEvent> {
    const { graph, tracks } = this.#record;
    const { fn, track, begun, ended } = this.#attempts;
    const holdings = fn.flatMap((i, k) => {
      const cost = graph.costs[graph.cost[i]!] ?? null;
      return cost === null ? [] : [{ node: tracks[track[k]!]!.node, begun: begun[k]!, ended: ended[k]!, cost }];
    });
    const draw = function* (
      what: 'claimed' | 'used',
      node: string,
      resource: string,
      { at, level }: Steps,
    ): Generator<TraceEvent> {
      const of = { name: `${what} ${resource} of ${node}`, ph: 'C' as const, cat: what, ...places.ofNode(node) };
      for (let k = 0; k < at.length; k++)
        yield { ...of, ts: micros(at[k]!), args: { [resource]: Number(level[k]!.toPrecision(9)) } };
    };
    for (const [node, resources] of claimsOf(holdings))
      for (const [resource, steps] of resources) yield* draw('claimed', node, resource, thinned(steps, maxPoints));
    for (const [node, used] of this.#used) {
      for (const resource of ['cpu', 'memory'] as const)
        yield* draw(
          'used',
          node,
          resource,
          thinned({ at: used[resource].map(([at]) => at), level: used[resource].map(([, level]) => level) }, maxPoints),
        );
    }
  }
}
