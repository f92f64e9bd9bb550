/** The public events, and how the runtime publishes them. */
import { EventEmitter } from 'eventemitter3';
import type { AttemptTracer } from '../events/attempt-tracer.ts';
import { channelOf } from '../events/channels.ts';
import type { EventOf, EventType, HandoffEvent } from '../events/events.ts';
import type { Publisher } from '../engine/event-publisher.ts';

/** Listeners by event type; `'event'` hears them all but `'attempts'`, which says the same once more. */
export type Listeners = { [Type in EventType]: (event: EventOf<Type>) => void } & {
  event: (event: Exclude<HandoffEvent, { type: 'attempts' }>) => void;
};

type Name = keyof Listeners;
type Listener<Of extends Name> = EventEmitter.EventListener<Listeners, Of>;
type Call = (this: unknown, ...args: unknown[]) => unknown;

/** Maps a listener to the guard that is registered in its place, and back. */
const guards = new WeakMap<object, Call>();
const guarded = new WeakMap<object, Call>();

/** Wraps a listener so that an exception in it affects neither the publisher nor other listeners. */
function guardOf<Given>(listener: Given): Given {
  if (typeof listener !== 'function' || guarded.has(listener)) return listener;
  let guard = guards.get(listener);
  if (guard === undefined) {
    guard = function (...args) {
      try {
        listener.apply(this, args);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    };
    guards.set(listener, guard);
    guarded.set(guard, listener as unknown as Call);
  }
  return guard as Given;
}

/** An emitter of `HandoffEvent`s. Events without a listener cost nothing. */
export class HandoffEmitter extends EventEmitter<Listeners> {
  #tracer: AttemptTracer | undefined;

  /**
   * Sets the tracer of future attempts; undefined turns tracing off. Returns the previous tracer.
   * @internal
   */
  static setTracer(emitter: HandoffEmitter, tracer: AttemptTracer | undefined): AttemptTracer | undefined {
    const before = emitter.#tracer;
    emitter.#tracer = tracer;
    return before;
  }

  override on<Of extends Name>(type: Of, listener: Listener<Of>, context?: unknown): this {
    return super.on(type, guardOf(listener), context);
  }

  override addListener<Of extends Name>(type: Of, listener: Listener<Of>, context?: unknown): this {
    return super.addListener(type, guardOf(listener), context);
  }

  override once<Of extends Name>(type: Of, listener: Listener<Of>, context?: unknown): this {
    return super.once(type, guardOf(listener), context);
  }

  override off<Of extends Name>(type: Of, listener?: Listener<Of>, context?: unknown, once?: boolean): this {
    return super.off(type, guardOf(listener), context, once);
  }

  override removeListener<Of extends Name>(type: Of, listener?: Listener<Of>, context?: unknown, once?: boolean): this {
    return super.removeListener(type, guardOf(listener), context, once);
  }

  override listeners<Of extends Name>(type: Of): Listener<Of>[] {
    return super.listeners(type).map((guard) => guarded.get(guard) as Listener<Of>);
  }

  /** The interface through which the runtime publishes. */
  static publisherOf(emitter: HandoffEmitter): Publisher {
    return {
      get tracer() {
        return emitter.#tracer;
      },
      wants: (type) =>
        emitter.listenerCount(type) > 0 ||
        (type !== 'attempts' && emitter.listenerCount('event') > 0) ||
        channelOf(type).hasSubscribers,
      publish: (event) => {
        // as usual in Node, errors of a subscriber are reported by diagnostics_channel
        if (channelOf(event.type).hasSubscribers) channelOf(event.type).publish(event);
        emitter.emit(event.type, event as never);
        if (event.type !== 'attempts') emitter.emit('event', event as never);
      },
    };
  }
}
