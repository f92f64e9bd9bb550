/** The public events, and how the runtime sends them. */
import { EventEmitter } from 'eventemitter3';
import type { AttemptTracer } from '../observe/attempt-tracer.ts';
import { channelOf } from '../observe/channels.ts';
import type { EventOf, EventType, HandoffEvent } from '../observe/events.ts';
import type { Publisher } from './observer.ts';

/** Listeners by event type; `'event'` hears them all but `'spans'`, which says the same once more. */
export type Listeners = { [Type in EventType]: (event: EventOf<Type>) => void } & { event: (event: Exclude<HandoffEvent, { type: 'spans' }>) => void };

/** An emitter of `HandoffEvent`s. Without a listener nothing is made, measured or sent. */
export class HandoffEmitter extends EventEmitter<Listeners> {
  #tracer: AttemptTracer | undefined;

  /**
   * Has what is executed from now on be traced; undefined: no longer. Gives who traced it before.
   * @internal
   */
  static setTracer(emitter: HandoffEmitter, tracer: AttemptTracer | undefined): AttemptTracer | undefined {
    const before = emitter.#tracer;
    emitter.#tracer = tracer;
    return before;
  }

  /** The runtime's side of an emitter. */
  static publisherOf(emitter: HandoffEmitter): Publisher {
    return {
      get tracer() {
        return emitter.#tracer;
      },
      wants: (type) => emitter.listenerCount(type) > 0 || (type !== 'spans' && emitter.listenerCount('event') > 0) || channelOf(type).hasSubscribers,
      publish: (event) => {
        if (channelOf(event.type).hasSubscribers) channelOf(event.type).publish(event); // what a subscriber throws is its own fault, as Node has it
        for (const type of event.type === 'spans' ? [event.type] : [event.type, 'event'] as const) {
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
