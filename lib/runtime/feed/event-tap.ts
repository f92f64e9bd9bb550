/** Delivers the runtime's events to listeners of the Handoff, and to the feeds of this host and of others. */
import type { EventType, HandoffEvent } from '../../events/events.ts';
import type { Publisher } from '../../engine/event-publisher.ts';

export class Tap implements Publisher {
  readonly #publisher: Publisher;
  readonly #listeners = new Map<EventType, Set<(event: HandoffEvent) => void>>();

  /** @param publisher delivers to the listeners of the Handoff */
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
    // copied: a listener added meanwhile receives only later events
    if (listeners !== undefined) for (const listener of [...listeners]) listener(event);
  }

  /**
   * Listens to events of these types, and enables their creation.
   *
   * @param listener must not throw
   * @returns a function that stops listening
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
