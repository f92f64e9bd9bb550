/** Asks the journal for what functions use of limits that all its processes share, and gives it back. One at a time. */
import type { LimitSharing } from '../../engine/driver.ts';
import type { Amounts, LimitStore, SharedLimit } from '../../journal/journal.ts';

/** How often to ask again without a sign that anything was given back, in ms: the death of a process gives none. */
const askIntervalMs = 1000;

export class SharedLimits implements LimitSharing {
  readonly #store: LimitStore;
  readonly #limits: Readonly<Record<string, SharedLimit>>;
  readonly #granted: (uses: Amounts) => void;
  /** What this process holds. */
  readonly #held = new Map<string, number>();
  /** What was asked for, in order. */
  readonly #asked = new Set<Amounts>();
  #unused = new Map<string, number>();
  /** The limits of which something was given back that the store does not know of yet. */
  #changed = new Set<string>();
  #isWorking = false;
  /** Whether something has changed since the work under way began. */
  #isDue = false;
  #isClosed = false;
  /** Since the store worked last. */
  #hasWarned = false;
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
    this.#asked.add(uses);
    this.#work();
  }

  withdraw(uses: Amounts): void {
    this.#asked.delete(uses);
  }

  giveBack(name: string, held: number, unused: number): void {
    this.#held.set(name, Math.max(0, this.#heldOf(name) - held - unused));
    this.#unused.set(name, (this.#unused.get(name) ?? 0) + unused);
    this.#changed.add(name);
    this.#work();
  }

  /** What is still held goes back when the journal is closed. The store may be away, so nothing waits for it. */
  close(): void {
    this.#isClosed = true;
    this.#unwatch();
    clearTimeout(this.#timer);
  }

  #heldOf(name: string): number {
    return this.#held.get(name) ?? 0;
  }

  #work(): void {
    if (this.#isClosed) return;
    this.#isDue = true;
    if (this.#isWorking) return;
    clearTimeout(this.#timer);
    void this.#workOff();
  }

  async #workOff(): Promise<void> {
    this.#isWorking = true;
    let wait = askIntervalMs;
    while (this.#isDue && !this.#isClosed) {
      this.#isDue = false;
      try {
        await this.#giveBackAll();
        wait = await this.#takeAll();
        this.#hasWarned = false;
      } catch (error) {
        wait = askIntervalMs;
        this.#warn(error);
      }
    }
    this.#isWorking = false;
    const isDone = this.#asked.size === 0 && this.#changed.size === 0;
    if (!isDone && !this.#isClosed)
      this.#timer = setTimeout(() => this.#work(), Math.min(askIntervalMs, Math.ceil(wait))).unref();
  }

  #warn(error: unknown): void {
    if (this.#isClosed || this.#hasWarned) return;
    this.#hasWarned = true;
    const text = `Functions that use limits wait, because limits cannot be counted: ${(error as Error).message}`;
    process.emitWarning(text, 'HandoffWarning');
  }

  /** @returns ms after which more may be had; Infinity if others must give back first */
  async #takeAll(): Promise<number> {
    let wait = Infinity;
    for (const uses of [...this.#asked]) {
      if (!this.#asked.has(uses)) continue; // it was withdrawn
      const ms = await this.#take(uses);
      if (this.#isClosed) break;
      if (ms > 0) wait = Math.min(wait, ms);
      else if (this.#asked.delete(uses)) this.#granted(uses);
      else for (const name in uses) this.giveBack(name, 0, uses[name]!);
    }
    return wait;
  }

  async #take(uses: Amounts): Promise<number> {
    const names = Object.keys(uses);
    let ms: number;
    try {
      ms = await this.#store.take(this.#limits, uses, this.#heldOfAll(names));
    } catch (error) {
      for (const name of names) this.#changed.add(name); // the store may have given it, so it hears what is held
      throw error;
    }
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
