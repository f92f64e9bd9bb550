/** Which node holds which value, by run id and value id. A DAG's id stands for its newest run. */

/** Locations that a run itself knows. */
export interface Locations {
  /** The node that holds the result of a function; undefined: none. */
  nodeOf(id: string): string | undefined;
  /** All locations. */
  entries(): Iterable<readonly [id: string, node: string]>;
}

interface Entry {
  readonly dagId: string;
  locations: Locations;
}

export class LocationRegistry {
  readonly #registered = new Map<string, Map<string, string>>();
  readonly #runs = new Map<string, Entry>();
  /** By DAG id. */
  readonly #newest = new Map<string, Entry>();

  /** Records where a value is, replacing an earlier entry. */
  register(name: string, id: string, node: string): void {
    const known = this.#registered.get(name);
    if (known === undefined) this.#registered.set(name, new Map([[id, node]]));
    else known.set(id, node);
  }

  /** The node that holds a value; undefined: unknown. */
  lookup(name: string, id: string): string | undefined {
    return this.#registered.get(name)?.get(id) ?? this.#entryOf(name)?.locations.nodeOf(id);
  }

  /** All locations of a run, by value id. */
  all(name: string): ReadonlyMap<string, string> {
    return new Map([...(this.#entryOf(name)?.locations.entries() ?? []), ...(this.#registered.get(name) ?? [])]);
  }

  /** Begins a run. Earlier entries under its id and its DAG's id are deleted. */
  open(runId: string, dagId: string, locations: Locations): void {
    this.#registered.delete(runId);
    this.#registered.delete(dagId);
    const entry = { dagId, locations };
    this.#runs.set(runId, entry);
    this.#newest.set(dagId, entry);
  }

  /** Replaces what a run itself knows, for one that has ended. */
  relocate(runId: string, locations: Locations): void {
    const entry = this.#runs.get(runId);
    if (entry !== undefined) entry.locations = locations;
  }

  /** Deletes the locations of a run. */
  forget(runId: string): void {
    const entry = this.#runs.get(runId);
    this.#registered.delete(runId);
    this.#runs.delete(runId);
    if (entry !== undefined && this.#newest.get(entry.dagId) === entry) this.#newest.delete(entry.dagId);
  }

  /** Deletes the recorded entries of a run or DAG. */
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
