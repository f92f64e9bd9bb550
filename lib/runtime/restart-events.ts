/** Restarts by supervisors, as events. */
import type { Publisher } from '../engine/event-publisher.ts';
import { timestamp } from '../events/events.ts';
import type { Exit } from '../workers/supervision/child.ts';

/** @returns publishes that `supervisor` restarts `child` */
export function restartsTo(publisher: Publisher): (supervisor: string, child: string, exit: Exit) => void {
  return (supervisor, child, { error }) => {
    if (publisher.wants('supervisor:restarted'))
      publisher.publish({ type: 'supervisor:restarted', at: timestamp(), supervisor, child, error });
  };
}
