/** Where values are: a node name by DAG and id. */

/** Locations that a run knows without anybody writing them down. */
export interface Locations {
  /** The node that has the result of a function; undefined when there is none. */
  nodeOf(id: string): string | undefined;
  /** Every location. */
  entries(): Iterable<readonly [id: string, node: string]>;
}

export class LocationRegistry {
  readonly #registered = new Map<string, Map<string, string>>();
  readonly #runs = new Map<string, Locations>();

  /** Notes where a value is, in place of what was known. */
  register(dagId: string, id: string, node: string): void {
    const known = this.#registered.get(dagId);
    if (known === undefined) this.#registered.set(dagId, new Map([[id, node]]));
    else known.set(id, node);
  }

  /** The node that has a value; undefined when that is not known. */
  lookup(dagId: string, id: string): string | undefined {
    return this.#registered.get(dagId)?.get(id) ?? this.#runs.get(dagId)?.nodeOf(id);
  }

  /** Every location of a DAG, by id. */
  all(dagId: string): ReadonlyMap<string, string> {
    return new Map([...(this.#runs.get(dagId)?.entries() ?? []), ...(this.#registered.get(dagId) ?? [])]);
  }

  /** Begins a run: what was known under its id is gone. */
  open(dagId: string, locations: Locations): void {
    this.#registered.delete(dagId);
    this.#runs.set(dagId, locations);
  }

  /** Forgets every location of a DAG. */
  clear(dagId: string): void {
    this.#registered.delete(dagId);
    this.#runs.delete(dagId);
  }

  stop(): void {
    this.#registered.clear();
    this.#runs.clear();
  }
}
