/** Asks the journal for what functions use of limits that all its processes share, and gives it back. One at a time. */
import type { LimitSharing } from '../engine/driver.ts';
import type { Amounts, LimitStore, SharedLimit } from '../journal/journal.ts';

/** How often to ask again without a sign that anything was given back, in ms: the death of a process gives none. */
const askIntervalMs = 1000;

export class SharedLimits implements LimitSharing {
  readonly #store: LimitStore;
  readonly #limits: Readonly<Record<string, SharedLimit>>;
  readonly #granted: (uses: Amounts) => void;
  /** What this process holds. */
  readonly #held = new Map<string, number>();
  /** What was asked for, in order. */
  #asked: Amounts[] = [];
  #unused = new Map<string, number>();
  /** The limits of which something was given back that the store does not know of yet. */
  #changed = new Set<string>();
  #working: Promise<void> | undefined;
  /** Whether something has changed since the work under way began. */
  #isDue = false;
  #isClosed = false;
  #timer: NodeJS.Timeout | undefined;
  readonly #unwatch: () => void;

  /** @param granted called with what was asked for, when it is taken */
  constructor(store: LimitStore, limits: Readonly<Record<string, SharedLimit>>, granted: (uses: Amounts) => void) {
    this.#store = store;
    this.#limits = limits;
    this.#granted = granted;
    this.#unwatch = store.watch(() => this.#work());
  }

  ask(uses: Amounts): void {
    this.#asked.push(uses);
    this.#work();
  }

  giveBack(name: string, held: number, unused: number): void {
    this.#held.set(name, Math.max(0, this.#heldOf(name) - held - unused));
    this.#unused.set(name, (this.#unused.get(name) ?? 0) + unused);
    this.#changed.add(name);
    this.#work();
  }

  /** Gives back the rest. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#unwatch();
    clearTimeout(this.#timer);
    await this.#working;
    await this.#giveBackAll().catch(() => {}); // it counts only while this process lives
  }

  #heldOf(name: string): number {
    return this.#held.get(name) ?? 0;
  }

  #work(): void {
    if (this.#isClosed) return;
    this.#isDue = true;
    if (this.#working !== undefined) return;
    clearTimeout(this.#timer);
    this.#working = this.#workOff().finally(() => (this.#working = undefined));
  }

  /** Never throws. */
  async #workOff(): Promise<void> {
    let wait = Infinity;
    while (this.#isDue && !this.#isClosed) {
      this.#isDue = false;
      try {
        await this.#giveBackAll();
        wait = await this.#takeAll();
      } catch {
        wait = askIntervalMs; // the journal fails
      }
    }
    const isDone = this.#asked.length === 0 && this.#changed.size === 0;
    if (!isDone && !this.#isClosed)
      this.#timer = setTimeout(() => this.#work(), Math.min(askIntervalMs, Math.ceil(wait)));
  }

  /** @returns ms after which more may be had; Infinity if others must give back first */
  async #takeAll(): Promise<number> {
    let wait = Infinity;
    for (const uses of [...this.#asked]) {
      const ms = this.#isClosed ? Infinity : await this.#take(uses);
      if (ms === 0) {
        this.#asked = this.#asked.filter((each) => each !== uses);
        this.#granted(uses);
      } else wait = Math.min(wait, ms);
    }
    return wait;
  }

  async #take(uses: Amounts): Promise<number> {
    const names = Object.keys(uses);
    const ms = await this.#store.take(this.#limits, uses, this.#heldOfAll(names));
    if (ms === 0) for (const name of names) this.#held.set(name, this.#heldOf(name) + uses[name]!);
    return ms;
  }

  async #giveBackAll(): Promise<void> {
    while (this.#changed.size > 0) {
      const names = [...this.#changed];
      const unused = Object.fromEntries(names.map((name) => [name, this.#unused.get(name) ?? 0]));
      this.#changed = new Set();
      this.#unused = new Map();
      try {
        await this.#store.giveBack(this.#limits, this.#heldOfAll(names), unused);
      } catch (error) {
        for (const name of names) this.#changed.add(name);
        throw error;
      }
    }
  }

  #heldOfAll(names: readonly string[]): Amounts {
    return Object.fromEntries(names.map((name) => [name, this.#heldOf(name)]));
  }
}
