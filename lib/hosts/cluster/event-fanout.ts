/** What a node of this host tells, to all who have sent it something: this host's scheduler, and those of others. */
import type { NodeEvents } from '../../workers/node/node-link.ts';
import type { Guest } from './remote-scheduler.ts';

/** Batches of guests have numbers below 0, those of this host's scheduler above. */
export function lend(
  node: string,
  own: NodeEvents,
  guests: () => Iterable<Guest>,
  onThreadUp: (thread: number) => void,
): NodeEvents {
  return {
    ...own,
    threadUp(thread) {
      own.threadUp(thread);
      onThreadUp(thread);
    },
    threadDown(thread, crash, started) {
      for (const guest of guests()) guest.threadDown(node, thread, crash, started);
      own.threadDown(thread, crash, started);
    },
    started(batch, index, at) {
      if (batch >= 0) return own.started(batch, index, at);
      for (const guest of guests()) guest.started(batch, index, at);
    },
    ended(batch, report) {
      if (batch >= 0) return own.ended(batch, report);
      for (const guest of guests()) if (guest.batches.has(batch)) return guest.ended(batch, report);
    },
    printed(batch, index, text) {
      if (batch >= 0) own.printed(batch, index, text);
      else process.stderr.write(text); // what others run here prints here
    },
    log(logged) {
      if (logged.origin === 0) return own.log(logged);
      for (const guest of guests()) if (guest.peer.number === logged.origin) return guest.log(node, logged);
    },
  };
}
