/** PURE: the functions of a run that are done without an attempt that was observed. Its size is bounded by the graph. */
import { sparedKinds, type Spared, type SparedKind } from './protocol.ts';

export class SparedFunctions {
  /** Flat: function and kind, as in `Spared`. */
  readonly #rows: number[] = [];
  readonly #kinds = new Map<number, SparedKind>();
  /** Where restored functions ran. */
  readonly #nodes = new Map<number, string>();

  /** How many there are. */
  get count(): number {
    return this.#kinds.size;
  }

  /** @param node where it ran; empty if that is unknown */
  add(fn: number, kind: SparedKind, node = ''): void {
    if (fn < 0 || this.#kinds.has(fn)) return;
    this.#kinds.set(fn, kind);
    if (node !== '') this.#nodes.set(fn, node);
    this.#rows.push(fn, sparedKinds.indexOf(kind));
  }

  kindOf(fn: number): SparedKind | undefined {
    return this.#kinds.get(fn);
  }

  nodeOf(fn: number): string | undefined {
    return this.#nodes.get(fn);
  }

  /** Those after a place; undefined if there are none. */
  since(read: number, run: string): Spared | undefined {
    if (read >= this.count) return undefined;
    return { type: 'spared', run, from: read, functions: this.#rows.slice(2 * read) };
  }
}
