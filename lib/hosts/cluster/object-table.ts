/**
 * The large results on this host, its own and copies, under keys that every host understands. Each belongs to a run of
 * an orchestrator, and is deleted when the orchestrator says so or disconnects.
 *
 * ```
 *   orchestrator ── run ── key ── bytes
 * ```
 */
import { Payload, type PayloadData, type RemoteData, shapeOf } from '../../workers/store/payload.ts';
import type { ResultMemory } from '../../workers/store/result-memory.ts';

export class ObjectTable {
  readonly #host: string;
  readonly #memory: ResultMemory | undefined;
  readonly #payloads = new Map<string, Payload>();
  /** Payloads that are also results of this host's own runs, which account for them. */
  readonly #borrowed = new WeakSet<Payload>();
  readonly #runs = new Map<string, Map<number, Set<string>>>();
  #last = 0;

  /**
   * @param host the id of this host
   * @param memory accounts for them, together with other results
   */
  constructor(host: string, memory: ResultMemory | undefined) {
    this.#host = host;
    this.#memory = memory;
  }

  /**
   * Adds a result. @returns the reference under which other hosts can fetch it
   *
   * @param isOwn false for a result of this host's own runs, which already account for its memory
   */
  hold(orchestrator: string, serial: number, data: PayloadData, isOwn = true): RemoteData {
    const key = `${this.#host}:${++this.#last}`;
    this.put(orchestrator, serial, key, data, isOwn);
    return { kind: 'remote', host: this.#host, key, of: shapeOf(data)! };
  }

  /** Adds a copy of a result of another host. */
  put(orchestrator: string, serial: number, key: string, data: PayloadData, isOwn = true): void {
    const payload = new Payload(data);
    this.#payloads.set(key, payload);
    if (isOwn) this.#memory?.add(payload);
    else this.#borrowed.add(payload);
    let runs = this.#runs.get(orchestrator);
    if (runs === undefined) this.#runs.set(orchestrator, (runs = new Map()));
    const keys = runs.get(serial);
    if (keys === undefined) runs.set(serial, new Set([key]));
    else keys.add(key);
  }

  get(key: string): PayloadData | undefined {
    const payload = this.#payloads.get(key);
    if (payload !== undefined && !this.#borrowed.has(payload)) this.#memory?.touch(payload);
    return payload?.data;
  }

  release(orchestrator: string, serial: number, keys: Iterable<string>): void {
    const known = this.#runs.get(orchestrator)?.get(serial);
    for (const key of keys) if (known?.delete(key) === true) this.#drop(key);
  }

  endRun(orchestrator: string, serial: number): void {
    const runs = this.#runs.get(orchestrator);
    for (const key of runs?.get(serial) ?? []) this.#drop(key);
    runs?.delete(serial);
    if (runs?.size === 0) this.#runs.delete(orchestrator);
  }

  /** An orchestrator has disconnected: deletes everything held for it. */
  endAll(orchestrator: string): void {
    for (const serial of [...(this.#runs.get(orchestrator)?.keys() ?? [])]) this.endRun(orchestrator, serial);
  }

  #drop(key: string): void {
    const payload = this.#payloads.get(key);
    if (payload === undefined) return;
    this.#payloads.delete(key);
    if (!this.#borrowed.has(payload)) this.#memory?.remove(payload);
  }
}
