/**
 * Sends the events of a node of this host to everyone with batches on it: this host's scheduler and those of other
 * hosts.
 */
import type { NodeEvents } from '../../workers/node/node-link.ts';
import type { RemoteScheduler } from './remote-scheduler.ts';

/** Batches of other hosts have negative numbers here, those of this host's scheduler positive ones. */
export function fanOut(
  node: string,
  own: NodeEvents,
  schedulers: () => Iterable<RemoteScheduler>,
  onThreadUp: (thread: number) => void,
): NodeEvents {
  return {
    ...own,
    threadUp(thread) {
      own.threadUp(thread);
      onThreadUp(thread);
    },
    threadDown(thread, crash, started) {
      for (const scheduler of schedulers()) scheduler.threadDown(node, thread, crash, started);
      own.threadDown(thread, crash, started);
    },
    threadBlocked(thread, batch, ms) {
      for (const scheduler of schedulers()) scheduler.threadBlocked(node, thread, batch, ms);
      own.threadBlocked(thread, batch, ms);
    },
    started(batch, index, at) {
      if (batch >= 0) return own.started(batch, index, at);
      for (const scheduler of schedulers()) scheduler.started(batch, index, at);
    },
    ended(batch, report) {
      if (batch >= 0) return own.ended(batch, report);
      for (const scheduler of schedulers()) if (scheduler.batches.has(batch)) return scheduler.ended(batch, report);
    },
    printed(batch, index, text) {
      if (batch >= 0) own.printed(batch, index, text);
      else process.stderr.write(text); // output of other hosts' functions stays on this host
    },
    log(logged) {
      if (logged.origin === 0) return own.log(logged);
      for (const scheduler of schedulers())
        if (scheduler.peer.number === logged.origin) return scheduler.log(node, logged);
    },
    progress(progress) {
      if (progress.origin === 0) return own.progress(progress);
      for (const scheduler of schedulers())
        if (scheduler.peer.number === progress.origin) return scheduler.progress(node, progress);
    },
  };
}
