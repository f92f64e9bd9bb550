/** The memory limit of results, if one is set, with its spill folder. */
import { timestamp } from '../events/events.ts';
import { ResultMemory } from '../workers/store/result-memory.ts';
import { SpillFolder } from '../workers/store/spill-folder.ts';
import type { Publisher } from './event-publisher.ts';

export interface BoundMemory {
  readonly memory: ResultMemory | undefined;
  /** Removes the spill folder. */
  stop(): Promise<void>;
}

/** @param onPressed called when results exceed their limit, and when they no longer do */
export function boundMemory(
  budget: number | undefined,
  publisher: Publisher,
  onPressed: (isPressed: boolean) => void,
): BoundMemory {
  if (budget === undefined) return { memory: undefined, async stop() {} };
  const folder = new SpillFolder();
  const memory = new ResultMemory(budget, folder, {
    pressed: onPressed,
    failed: (failure) => {
      if (publisher.wants('spill:failed'))
        publisher.publish({ type: 'spill:failed', at: timestamp(), budget, ...failure });
    },
  });
  return {
    memory,
    async stop() {
      await memory.stop();
      await folder.stop();
    },
  };
}
