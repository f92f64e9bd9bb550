/**
 * The channels of `node:diagnostics_channel` that events are published on: `handoffjs:` and the type, such as
 * `handoffjs:run:started`. They carry the events of all Handoffs of this process. Without a subscriber, nothing is
 * built, measured or sent.
 */
import { type Channel, channel } from 'node:diagnostics_channel';
import { type EventType, eventTypes } from './events.ts';

// Held here because Node does not keep a channel without subscribers alive. A map, because it is read for every batch.
const channels: ReadonlyMap<EventType, Channel> = new Map(
  eventTypes.map((type) => [type, channel(`handoffjs:${type}`)]),
);

export function channelOf(type: EventType): Channel {
  return channels.get(type)!;
}
