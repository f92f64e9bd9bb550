/** Tracks which claimant holds which amounts of which node. */
import type { Capabilities, Cost } from '../../dag/types.ts';
import { add, remaining, shortage, subtract } from './amounts.ts';

/**
 * Grants or refuses the claims that the scheduler makes before it starts a function. Pass your own as the option
 * `resourceTracker`, for example one that shares claims between processes.
 */
export interface ResourceTracker {
  /** Sets or changes a node's capabilities. Existing claims stay. */
  register(node: string, capabilities: Capabilities): void;
  /** Whether a claim would be granted now. */
  available(node: string, request: Cost): boolean;
  /** Claims all amounts or none. Returns false if they are not available now; the function then waits. */
  request(node: string, request: Cost, claimant?: string): boolean;
  /** Releases a claim. */
  release(node: string, request: Cost, claimant?: string): void;
}

interface TrackedNode {
  capabilities: Capabilities;
  readonly used: Record<string, number>;
  readonly claims: Map<string, Record<string, number>>;
}

/** The built-in tracker: counts claims per node and claimant. */
export class SimpleResourceTracker implements ResourceTracker {
  readonly #nodes = new Map<string, TrackedNode>();

  register(node: string, capabilities: Capabilities): void {
    const known = this.#nodes.get(node);
    if (known !== undefined) known.capabilities = { ...capabilities };
    else this.#nodes.set(node, { capabilities: { ...capabilities }, used: {}, claims: new Map() });
  }

  /** Removes a node and every claim on it. */
  unregister(node: string): void {
    this.#nodes.delete(node);
  }

  /** The declared capabilities of a node; undefined for an unknown node. */
  capabilities(node: string): Capabilities | undefined {
    return this.#nodes.get(node)?.capabilities;
  }

  /** The free amounts of a node; empty for an unknown node. */
  free(node: string): Capabilities {
    const known = this.#nodes.get(node);
    return known === undefined ? {} : remaining(known.capabilities, known.used);
  }

  /** The claimed amounts of a node, by claimant. */
  claims(node: string): ReadonlyMap<string, Cost> {
    return this.#nodes.get(node)?.claims ?? new Map();
  }

  available(node: string, request: Cost): boolean {
    const known = this.#nodes.get(node);
    return known !== undefined && shortage(request, remaining(known.capabilities, known.used)) === undefined;
  }

  request(node: string, request: Cost, claimant = ''): boolean {
    if (!this.available(node, request)) return false;
    const { used, claims } = this.#nodes.get(node)!;
    add(used, request);
    let own = claims.get(claimant);
    if (own === undefined) claims.set(claimant, (own = {}));
    add(own, request);
    return true;
  }

  release(node: string, request: Cost, claimant = ''): void {
    const known = this.#nodes.get(node);
    if (known === undefined) return;
    subtract(known.used, request);
    const own = known.claims.get(claimant);
    if (own === undefined) return;
    subtract(own, request);
    if (Object.values(own).every((amount) => amount === 0)) known.claims.delete(claimant);
  }

  /** Releases everything that a claimant holds, on every node. Call it when a claimant is gone. */
  releaseAll(claimant: string): void {
    for (const { used, claims } of this.#nodes.values()) {
      const own = claims.get(claimant);
      if (own === undefined) continue;
      subtract(used, own);
      claims.delete(claimant);
    }
  }
}
