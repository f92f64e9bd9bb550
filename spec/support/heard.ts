/** What a feed has told, and what it is yet to tell. */
import { type EventType, type Handoff, eventTypes } from '../../lib/index.ts';
import type { RunGraph } from '../../lib/events/run-graph.ts';
import { overviewOf } from '../../lib/runtime/handoff.ts';

interface Told {
  readonly host: string;
  readonly event: any;
  readonly graph?: RunGraph;
  readonly done?: readonly number[];
}

export class Heard {
  readonly told: Told[] = [];
  /** Ends the subscription. */
  readonly end: () => void;
  readonly #waiting = new Set<() => void>();

  constructor(handoff: Handoff, ...types: readonly EventType[]) {
    this.end = overviewOf(handoff).feed.subscribe(types.length === 0 ? eventTypes : types, (told) => {
      this.told.push(told);
      for (const look of this.#waiting) look();
    });
  }

  /** The same, once every other host knows of it. */
  static async everywhere(handoff: Handoff, ...types: readonly EventType[]): Promise<Heard> {
    const heard = new Heard(handoff, ...types);
    await overviewOf(handoff).trees(); // asked after it, on the same channel
    return heard;
  }

  of(type: EventType, dagId?: string): Told[] {
    return this.told.filter(({ event }) => event.type === type && (dagId === undefined || event.dagId === dagId));
  }

  /** Resolves with the first such event, told or yet to be. */
  first(type: EventType, which: (event: any) => boolean = () => true): Promise<Told> {
    return new Promise((resolve) => {
      const look = (): void => {
        const found = this.told.find(({ event }) => event.type === type && which(event));
        if (found === undefined) return;
        this.#waiting.delete(look);
        resolve(found);
      };
      this.#waiting.add(look);
      look();
    });
  }
}
