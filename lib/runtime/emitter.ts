/** The public events, and how the runtime sends them. */
import { EventEmitter } from 'eventemitter3';
import type { AttemptTracer } from '../events/attempt-tracer.ts';
import { channelOf } from '../events/channels.ts';
import type { EventOf, EventType, HandoffEvent } from '../events/events.ts';
import type { Publisher } from '../engine/event-publisher.ts';

/** Listeners by event type; `'event'` hears them all but `'attempts'`, which says the same once more. */
export type Listeners = { [Type in EventType]: (event: EventOf<Type>) => void } & { event: (event: Exclude<HandoffEvent, { type: 'attempts' }>) => void };

type Name = keyof Listeners;
type Listener<Of extends Name> = EventEmitter.EventListener<Listeners, Of>;
type Call = (this: unknown, ...args: unknown[]) => unknown;

/** By listener: what is called in its stead; and the other way round. */
const guards = new WeakMap<object, Call>();
const guarded = new WeakMap<object, Call>();

/** Calls a listener. Its fault is its own: it must neither end what it was told of, nor keep that from other listeners. */
function guardOf<Given>(listener: Given): Given {
  if (typeof listener !== 'function' || guarded.has(listener)) return listener;
  let guard = guards.get(listener);
  if (guard === undefined) {
    guard = function (...args) {
      try {
        listener.apply(this, args);
      } catch (error) {
        queueMicrotask(() => { throw error; });
      }
    };
    guards.set(listener, guard);
    guarded.set(guard, listener as unknown as Call);
  }
  return guard as Given;
}

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

  /** The runtime's side of an emitter. */
  static publisherOf(emitter: HandoffEmitter): Publisher {
    return {
      get tracer() {
        return emitter.#tracer;
      },
      wants: (type) => emitter.listenerCount(type) > 0 || (type !== 'attempts' && emitter.listenerCount('event') > 0) || channelOf(type).hasSubscribers,
      publish: (event) => {
        if (channelOf(event.type).hasSubscribers) channelOf(event.type).publish(event); // what a subscriber throws is its own fault, as Node has it
        emitter.emit(event.type, event as never);
        if (event.type !== 'attempts') emitter.emit('event', event as never);
      },
    };
  }
}
