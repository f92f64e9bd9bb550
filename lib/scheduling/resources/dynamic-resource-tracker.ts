/** A tracker that limits claims by measurements. */
import type { Capabilities, Cost } from '../../dag/types.ts';
import { shortage } from './amounts.ts';
import { SimpleResourceTracker } from './resource-tracker.ts';

/**
 * Counts claims as a `SimpleResourceTracker` does, and refuses those that exceed the measured free amounts. Functions
 * that use more than they claim, and other programs, leave less than the claims suggest. With the option
 * `monitorInterval`, a Handoff calls `observe` with the measurements of its host's nodes; your own code may call it
 * with others.
 */
export class DynamicResourceTracker extends SimpleResourceTracker {
  readonly #observed = new Map<string, Capabilities>();

  /**
   * Sets the measured free amounts of a node, until the next call. A resource without a measurement is limited by
   * claims only.
   *
   * @param node the node's name
   * @param free the measured amounts; undefined removes the measurement
   */
  observe(node: string, free: Capabilities | undefined): void {
    if (free === undefined) this.#observed.delete(node);
    else this.#observed.set(node, { ...free });
  }

  /** The last measurement; undefined when there is none. */
  observed(node: string): Capabilities | undefined {
    return this.#observed.get(node);
  }

  override unregister(node: string): void {
    super.unregister(node);
    this.#observed.delete(node);
  }

  override free(node: string): Capabilities {
    const unclaimed = super.free(node);
    const observed = this.#observed.get(node);
    if (observed === undefined) return unclaimed;
    return Object.fromEntries(
      Object.entries(unclaimed).map(([name, amount]) => [
        name,
        Object.hasOwn(observed, name) ? Math.min(amount, observed[name]!) : amount,
      ]),
    );
  }

  override available(node: string, request: Cost): boolean {
    return this.capabilities(node) !== undefined && shortage(request, this.free(node)) === undefined;
  }
}
