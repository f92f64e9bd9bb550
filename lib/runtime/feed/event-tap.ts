/** Where the runtime's events go: to whoever listens on the Handoff, and to the feeds that this host and others read. */
import type { EventType, HandoffEvent } from '../../events/events.ts';
import type { Publisher } from '../../engine/event-publisher.ts';

export class Tap implements Publisher {
  readonly #publisher: Publisher;
  readonly #listeners = new Map<EventType, Set<(event: HandoffEvent) => void>>();

  /** @param publisher to whoever listens on the Handoff */
  constructor(publisher: Publisher) {
    this.#publisher = publisher;
  }

  get tracer(): Publisher['tracer'] {
    return this.#publisher.tracer;
  }

  wants(type: EventType): boolean {
    return this.#listeners.has(type) || this.#publisher.wants(type);
  }

  publish(event: HandoffEvent): void {
    this.#publisher.publish(event);
    const listeners = this.#listeners.get(event.type);
    if (listeners !== undefined) for (const listener of [...listeners]) listener(event); // who comes meanwhile hears of the next
  }

  /**
   * Listens to events of some types, which from then on are made.
   *
   * @param listener must not throw
   * @returns ends it
   */
  listen(types: Iterable<EventType>, listener: (event: HandoffEvent) => void): () => void {
    const wanted = [...types];
    for (const type of wanted) {
      const listeners = this.#listeners.get(type);
      if (listeners === undefined) this.#listeners.set(type, new Set([listener]));
      else listeners.add(listener);
    }
    return () => {
      for (const type of wanted) {
        const listeners = this.#listeners.get(type);
        if (listeners?.delete(listener) === true && listeners.size === 0) this.#listeners.delete(type);
      }
    };
  }
}
