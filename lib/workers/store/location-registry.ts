/**
 * Where values are: a node name by the id of a run, or of a DAG, which means its newest run, and by the id of the
 * value.
 */

/** Locations that a run knows without anybody writing them down. */
export interface Locations {
  /** The node that has the result of a function; undefined when there is none. */
  nodeOf(id: string): string | undefined;
  /** Every location. */
  entries(): Iterable<readonly [id: string, node: string]>;
}

interface Entry {
  readonly dagId: string;
  readonly locations: Locations;
}

export class LocationRegistry {
  readonly #registered = new Map<string, Map<string, string>>();
  readonly #runs = new Map<string, Entry>();
  /** By DAG. */
  readonly #newest = new Map<string, Entry>();

  /** Notes where a value is, in place of what was known. */
  register(name: string, id: string, node: string): void {
    const known = this.#registered.get(name);
    if (known === undefined) this.#registered.set(name, new Map([[id, node]]));
    else known.set(id, node);
  }

  /** The node that has a value; undefined when that is not known. */
  lookup(name: string, id: string): string | undefined {
    return this.#registered.get(name)?.get(id) ?? this.#entryOf(name)?.locations.nodeOf(id);
  }

  /** Every location of a run, by id. */
  all(name: string): ReadonlyMap<string, string> {
    return new Map([...(this.#entryOf(name)?.locations.entries() ?? []), ...(this.#registered.get(name) ?? [])]);
  }

  /** Begins a run: what was known under its id, and under that of its DAG, is gone. */
  open(runId: string, dagId: string, locations: Locations): void {
    this.#registered.delete(runId);
    this.#registered.delete(dagId);
    const entry = { dagId, locations };
    this.#runs.set(runId, entry);
    this.#newest.set(dagId, entry);
  }

  /** Forgets the locations of a run. */
  forget(runId: string): void {
    const entry = this.#runs.get(runId);
    this.#registered.delete(runId);
    this.#runs.delete(runId);
    if (entry !== undefined && this.#newest.get(entry.dagId) === entry) this.#newest.delete(entry.dagId);
  }

  /** Forgets what was noted under a name. */
  clear(name: string): void {
    this.#registered.delete(name);
  }

  stop(): void {
    this.#registered.clear();
    this.#runs.clear();
    this.#newest.clear();
  }

  #entryOf(name: string): Entry | undefined {
    return this.#runs.get(name) ?? this.#newest.get(name);
  }
}
