/**
 * The channels of `node:diagnostics_channel` on which events are published: `handoffjs:` and the type, such as `handoffjs:run:started`. Of all
 * Handoffs of this process; what is published is the event. Where nobody has subscribed, nothing is made, measured or sent.
 */
import { type Channel, channel } from 'node:diagnostics_channel';
import { type EventType, eventTypes } from './events.ts';

// Held here, as Node keeps no channel alive that nobody has subscribed to yet. A map, as it is looked at on the way of every batch.
const channels: ReadonlyMap<EventType, Channel> = new Map(eventTypes.map((type) => [type, channel(`handoffjs:${type}`)]));

export function channelOf(type: EventType): Channel {
  return channels.get(type)!;
}
