/** Trace events, and the numbers of their processes and threads. */
import type { RunRecord } from './run-record.ts';

export interface TraceEvent {
  readonly name: string;
  readonly ph: 'X' | 'M' | 's' | 'f' | 'C' | 'i';
  readonly pid: number;
  readonly tid: number;
  /** µs from the first event. */
  readonly ts: number;
  readonly dur?: number;
  readonly cat?: string;
  readonly id?: number;
  readonly bp?: 'e';
  readonly s?: 'g' | 'p' | 't';
  readonly args?: Readonly<Record<string, unknown>>;
}

interface Place {
  readonly pid: number;
  readonly tid: number;
}

/** Numbers of processes (hosts) and threads (workers); each number is unique. */
export class Places {
  readonly ofRun: Place;
  readonly #hosts: readonly string[];
  readonly #pids = new Map<string, number>();
  readonly #tracks: readonly Place[];
  readonly #names: readonly string[];

  /** @param hosts name of the host for each node */
  constructor({ tracks }: RunRecord, hosts: ReadonlyMap<string, string>) {
    const hostOf = (node: string): string => hosts.get(node) ?? 'local';
    const nodes = [...new Set([...hosts.keys(), ...tracks.map(({ node }) => node)])].sort((a, b) => a.localeCompare(b));
    this.#hosts = [...new Set(nodes.map(hostOf))];
    if (this.#hosts.length === 0) this.#hosts = ['local'];
    for (const node of nodes) this.#pids.set(node, this.#hosts.indexOf(hostOf(node)) + 1);
    const first = this.#hosts.length + 1;
    this.ofRun = { pid: 1, tid: first };
    this.#tracks = tracks.map(({ node }, i) => ({ pid: this.#pids.get(node)!, tid: first + 1 + i }));
    this.#names = tracks.map(({ node, thread }) => `${node} · worker ${thread}`);
  }

  ofTrack(track: number): Place | undefined {
    return this.#tracks[track];
  }

  ofNode(node: string | undefined): Place {
    const pid = (node === undefined ? undefined : this.#pids.get(node)) ?? 1;
    return { pid, tid: this.ofRun.tid };
  }

  *metadata(): Generator<TraceEvent> {
    const of = { ph: 'M', ts: 0 } as const;
    for (const [i, host] of this.#hosts.entries())
      yield { name: 'process_name', ...of, pid: i + 1, tid: this.ofRun.tid, args: { name: `host ${host}` } };
    yield { name: 'thread_name', ...of, ...this.ofRun, args: { name: 'runs' } };
    const order = this.#names
      .map((_, i) => i)
      .sort((a, b) => this.#names[a]!.localeCompare(this.#names[b]!, undefined, { numeric: true }));
    for (const [place, track] of order.entries()) {
      yield { name: 'thread_name', ...of, ...this.#tracks[track]!, args: { name: this.#names[track] } };
      yield { name: 'thread_sort_index', ...of, ...this.#tracks[track]!, args: { sort_index: place + 1 } };
    }
  }
}
