/** The memory limit of results, if one is set, with its spill folder. */
import { timestamp } from '../../events/events.ts';
import { ResultMemory } from '../../workers/store/result-memory.ts';
import { SpillFolder } from '../../workers/store/spill-folder.ts';
import type { Publisher } from '../event-publisher.ts';

export interface BoundMemory {
  readonly memory: ResultMemory | undefined;
  /** Sets who is called when results exceed their limit, and when they no longer do. */
  onPressure(listener: (isPressed: boolean) => void): void;
  /** Removes the spill folder. */
  stop(): Promise<void>;
}

export function boundMemory(budget: number | undefined, publisher: Publisher): BoundMemory {
  if (budget === undefined) return { memory: undefined, onPressure() {}, async stop() {} };
  let pressed = (_isPressed: boolean): void => {};
  const folder = new SpillFolder();
  const memory = new ResultMemory(budget, folder, {
    pressed: (isPressed) => pressed(isPressed),
    failed: (failure) => {
      if (publisher.wants('spill:failed'))
        publisher.publish({ type: 'spill:failed', at: timestamp(), budget, ...failure });
    },
  });
  return {
    memory,
    onPressure: (listener) => (pressed = listener),
    async stop() {
      await memory.stop();
      await folder.stop();
    },
  };
}
