/**
 * Grants claims on the nodes of this host, to its own scheduler and to those of other hosts: in the order in which they asked, so that none
 * is passed over for good. The host alone decides, so claims never exceed what a node has, however many orchestrators there are.
 *
 * ```
 *   node 'a'   other host: cpu 2 │ own scheduler │ other host: cpu 1      who comes first is granted first
 * ```
 *
 * The scheduler of this host asks and is told at once; when it is refused it keeps its place in the line, and is told when something is free.
 */
import type { ResourceTracker } from '../allocation/resource-tracker.ts';
import type { Capabilities, Cost } from '../dag/types.ts';

interface Waiting {
  readonly cost: Cost;
  readonly claimant: string;
  granted(): void;
}

/** Keeps the place of this host's own scheduler. */
const own = Symbol('own');

export class Admission implements ResourceTracker {
  readonly #tracker: ResourceTracker;
  readonly #onFreed: () => void;
  readonly #lines = new Map<string, (Waiting | typeof own)[]>();
  /** Nodes for which this host's scheduler has asked since it was last told of something free. */
  readonly #asked = new Set<string>();
  #pumping = false;
  #queued = false;

  /** @param onFreed told when this host's scheduler should ask again */
  constructor(tracker: ResourceTracker, onFreed: () => void) {
    this.#tracker = tracker;
    this.#onFreed = onFreed;
  }

  register(node: string, capabilities: Capabilities): void {
    this.#tracker.register(node, capabilities);
  }

  available(node: string, request: Cost): boolean {
    return this.#isFirst(node) && this.#tracker.available(node, request);
  }

  request(node: string, request: Cost, claimant?: string): boolean {
    this.#asked.add(node);
    const line = this.#lines.get(node);
    const granted = this.#isFirst(node) && this.#tracker.request(node, request, claimant);
    if (line === undefined || line.length === 0) return granted;
    const place = line.indexOf(own);
    if (granted && place >= 0) line.splice(place, 1);
    else if (!granted && place < 0) line.push(own);
    return granted;
  }

  release(node: string, request: Cost, claimant?: string): void {
    this.#tracker.release(node, request, claimant);
    if ((this.#lines.get(node)?.length ?? 0) > 0) this.#pumpSoon();
  }

  /**
   * Gives back what another host's function held.
   */
  releaseOther(node: string, cost: Cost, claimant: string): void {
    this.#tracker.release(node, cost, claimant);
    this.#pumpSoon(true);
  }

  /** A node has more than before: who waits may fit. */
  nodeGrew(): void {
    this.#pumpSoon(true);
  }

  /**
   * Claims for another host's function, as soon as it can be granted.
   *
   * @returns takes it out of the line again
   */
  claim(node: string, cost: Cost, claimant: string, granted: () => void): () => void {
    let line = this.#lines.get(node);
    if (line === undefined) this.#lines.set(node, (line = []));
    if (line.length === 0 && this.#tracker.request(node, cost, claimant)) {
      granted();
      return () => {};
    }
    const waiting: Waiting = { cost, claimant, granted };
    line.push(waiting);
    return () => {
      const place = line.indexOf(waiting);
      if (place < 0) return;
      line.splice(place, 1);
      this.#pumpSoon();
    };
  }

  #isFirst(node: string): boolean {
    const first = this.#lines.get(node)?.[0];
    return first === undefined || first === own;
  }

  /** After what goes on now: the scheduler may be at work. */
  #pumpSoon(tellOwn = false): void {
    if (this.#queued) return;
    this.#queued = true;
    queueMicrotask(() => {
      this.#queued = false;
      this.#pump(tellOwn);
    });
  }

  #pump(tellOwn: boolean): void {
    if (this.#pumping) return;
    this.#pumping = true;
    try {
      if (tellOwn && [...this.#lines.values()].every((line) => line.length === 0)) return this.#onFreed();
      for (const [node, line] of this.#lines) while (this.#serve(node, line));
    } finally {
      this.#pumping = false;
    }
  }

  /** Serves who is first in a line; false when that has to wait, or nobody is there. */
  #serve(node: string, line: (Waiting | typeof own)[]): boolean {
    const [first] = line;
    if (first === undefined) return false;
    if (first === own) {
      this.#asked.delete(node);
      this.#onFreed();
      if (line[0] !== own) return true;
      if (this.#asked.has(node)) return false; // it still wants it, and there is not enough
      line.shift();
      return true;
    }
    if (!this.#tracker.request(node, first.cost, first.claimant)) return false;
    line.shift();
    first.granted();
    return true;
  }
}
