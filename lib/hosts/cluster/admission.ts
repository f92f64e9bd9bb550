/**
 * Grants claims on the nodes of this host, to its own scheduler and to those of other hosts, in the order of their
 * requests, so that none starves. A request may pass earlier ones that share no resource with it. Only this host
 * decides, so claims never exceed a node's capacity, however many orchestrators there are.
 *
 * ```
 *   node 'a'   other host: cpu 2 │ own scheduler: cpu │ other host: cpu 1 │ other host: gpu 1      the last may pass
 * ```
 *
 * The scheduler of this host gets its answer at once. When refused, it keeps its place in the line and is called back
 * when something is free.
 */
import type { ResourceTracker } from '../../scheduling/resources/resource-tracker.ts';
import type { Capabilities, Cost } from '../../dag/types.ts';

/** A waiting request. */
interface Waiting {
  /** The resources it waits for. */
  readonly names: Set<string>;
  /** Undefined: this host's own scheduler, which requests again when it is called back. */
  readonly claim: { readonly cost: Cost; readonly claimant: string; granted(): void } | undefined;
}

export class Admission implements ResourceTracker {
  readonly #tracker: ResourceTracker;
  readonly #onFreed: () => void;
  readonly #lines = new Map<string, Waiting[]>();
  /** Nodes that this host's scheduler has requested since its last callback. */
  readonly #asked = new Set<string>();
  #pumping = false;
  #queued = false;
  #callsOwn = false;

  /** @param onFreed called when this host's scheduler should request again */
  constructor(tracker: ResourceTracker, onFreed: () => void) {
    this.#tracker = tracker;
    this.#onFreed = onFreed;
  }

  register(node: string, capabilities: Capabilities): void {
    this.#tracker.register(node, capabilities);
  }

  available(node: string, request: Cost): boolean {
    return this.#mayOwn(node, request) && this.#tracker.available(node, request);
  }

  request(node: string, request: Cost, claimant?: string): boolean {
    this.#asked.add(node);
    let line = this.#lines.get(node);
    const granted = this.#mayOwn(node, request) && this.#tracker.request(node, request, claimant);
    if (granted && (line === undefined || line.length === 0)) return true;
    if (line === undefined) this.#lines.set(node, (line = []));
    const place = line.findIndex(isOwn);
    if (granted && place >= 0) line.splice(place, 1);
    else if (!granted && place < 0) line.push({ names: namesOf(request), claim: undefined });
    else if (!granted) for (const name of namesOf(request)) line[place]!.names.add(name);
    return granted;
  }

  release(node: string, request: Cost, claimant?: string): void {
    this.#tracker.release(node, request, claimant);
    if ((this.#lines.get(node)?.length ?? 0) > 0) this.#pumpSoon(false);
  }

  /** Releases the claim of another host's function. */
  releaseOther(node: string, cost: Cost, claimant: string): void {
    this.#tracker.release(node, cost, claimant);
    this.#pumpSoon(true);
  }

  /** The capacity of a node has grown, so waiting requests may fit. */
  nodeGrew(): void {
    this.#pumpSoon(true);
  }

  /**
   * Claims for another host's function, as soon as the claim can be granted.
   *
   * @param granted called once, when it is granted
   * @returns a function that withdraws the request
   */
  claim(node: string, cost: Cost, claimant: string, granted: () => void): () => void {
    let line = this.#lines.get(node);
    if (line === undefined) this.#lines.set(node, (line = []));
    const names = namesOf(cost);
    if (!line.some((before) => share(before.names, names)) && this.#tracker.request(node, cost, claimant)) {
      granted();
      return () => {};
    }
    const waiting: Waiting = { names, claim: { cost, claimant, granted } };
    line.push(waiting);
    this.#pumpSoon(false); // those before it may no longer need their place
    return () => {
      const place = line.indexOf(waiting);
      if (place < 0) return;
      line.splice(place, 1);
      this.#pumpSoon(true);
    };
  }

  /** Whether no earlier request of other hosts shares a resource with it. */
  #mayOwn(node: string, cost: Cost): boolean {
    const line = this.#lines.get(node);
    if (line === undefined || line.length === 0) return true;
    const names = namesOf(cost);
    for (const before of line) {
      if (isOwn(before)) return true;
      if (share(before.names, names)) return false;
    }
    return true;
  }

  /** Deferred, because the scheduler may be running right now. */
  #pumpSoon(callsOwn: boolean): void {
    this.#callsOwn ||= callsOwn;
    if (this.#queued) return;
    this.#queued = true;
    queueMicrotask(() => {
      this.#queued = false;
      this.#pump();
    });
  }

  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    try {
      for (const [node, line] of this.#lines) while (this.#serve(node, line));
      if (this.#callsOwn) this.#onFreed(); // it may want resources that no request waits for
    } finally {
      this.#callsOwn = false;
      this.#pumping = false;
    }
  }

  /** Grants the first request in a line that can be granted; false when all have to wait. */
  #serve(node: string, line: Waiting[]): boolean {
    const wanted = new Set<string>();
    for (const [place, each] of line.entries()) {
      const passes = !share(wanted, each.names);
      for (const name of each.names) wanted.add(name);
      if (!passes) continue;
      if (isOwn(each)) {
        this.#asked.delete(node);
        this.#onFreed();
        if (line[place] !== each) return true;
        if (this.#asked.has(node)) continue; // it still wants it, and there is not enough
        line.splice(place, 1);
        return true;
      }
      if (!this.#tracker.request(node, each.claim!.cost, each.claim!.claimant)) continue;
      line.splice(place, 1);
      each.claim!.granted();
      return true;
    }
    return false;
  }
}

function isOwn({ claim }: Waiting): boolean {
  return claim === undefined;
}

function namesOf(cost: Cost): Set<string> {
  return new Set(Object.keys(cost).filter((name) => cost[name]! > 0));
}

function share(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  for (const name of a) if (b.has(name)) return true;
  return false;
}
