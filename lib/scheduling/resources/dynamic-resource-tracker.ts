/** Claims, and what is really free: the lesser counts. */
import type { Capabilities, Cost } from '../../dag/types.ts';
import { shortage } from './amounts.ts';
import { SimpleResourceTracker } from './resource-tracker.ts';

/**
 * Counts claims as a `SimpleResourceTracker` does, and grants none that exceeds what somebody has measured to be free: functions that use more
 * than they claim, and other programs, leave less than the books say. With the option `monitorInterval` a Handoff tells it what it measures of
 * the nodes of its host; `observe` tells it anything else.
 */
export class DynamicResourceTracker extends SimpleResourceTracker {
  readonly #observed = new Map<string, Capabilities>();

  /**
   * Takes in what of a node is free by measurement. Holds until the next time; resources that are not named are not limited by it.
   *
   * @param free undefined: nothing is known any more, and only claims count
   */
  observe(node: string, free: Capabilities | undefined): void {
    if (free === undefined) this.#observed.delete(node);
    else this.#observed.set(node, { ...free });
  }

  /** What was last observed; undefined when nothing was. */
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
    return Object.fromEntries(Object.entries(unclaimed).map(([name, amount]) => [name, Object.hasOwn(observed, name) ? Math.min(amount, observed[name]!) : amount]));
  }

  override available(node: string, request: Cost): boolean {
    return this.capabilities(node) !== undefined && shortage(request, this.free(node)) === undefined;
  }
}
