/** The public events, and how the runtime sends them. */
import { EventEmitter } from 'eventemitter3';
import type { EventOf, EventType, HandoffEvent } from '../observe/events.ts';
import type { Publisher } from './observer.ts';

/** Listeners by event type; `'event'` hears them all. */
export type Listeners = { [Type in EventType]: (event: EventOf<Type>) => void } & { event: (event: HandoffEvent) => void };

/** An emitter of `HandoffEvent`s. Without a listener nothing is made, measured or sent. */
export class HandoffEmitter extends EventEmitter<Listeners> {
  /** The runtime's side of an emitter. */
  static publisherOf(emitter: HandoffEmitter): Publisher {
    return {
      wants: (type) => emitter.listenerCount(type) > 0 || emitter.listenerCount('event') > 0,
      publish: (event) => {
        for (const type of [event.type, 'event'] as const) {
          try {
            emitter.emit(type, event as never);
          } catch (error) {
            queueMicrotask(() => { throw error; }); // a listener's fault is its own: it must not end what it was told of
          }
        }
      },
    };
  }
}
