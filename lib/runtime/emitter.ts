/** The public events, and how the runtime sends them. */
import { EventEmitter } from 'eventemitter3';
import type { EventOf, EventType, HandoffEvent } from '../observe/events.ts';
import type { Publisher } from './driver.ts';

/** Listeners by event type; `'event'` hears them all. */
export type Listeners = { [Type in EventType]: (event: EventOf<Type>) => void } & { event: (event: HandoffEvent) => void };

/** An emitter of `HandoffEvent`s. Without a listener nothing is made, measured or sent. */
export class HandoffEmitter extends EventEmitter<Listeners> {
  /** The runtime's side of an emitter. */
  static publisherOf(emitter: HandoffEmitter): Publisher {
    return {
      wants: (type) => emitter.listenerCount(type) > 0 || emitter.listenerCount('event') > 0,
      publish: (event) => {
        for (const name of [event.type, 'event'] as const) {
          // One by one, so that a listener that throws keeps nothing from the others, nor from the runtime.
          for (const listener of emitter.listeners(name)) {
            try {
              (listener as (event: HandoffEvent) => void)(event);
            } catch (error) {
              queueMicrotask(() => { throw error; });
            }
          }
        }
      },
    };
  }
}
