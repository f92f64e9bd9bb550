/** What a feed has told, and what it is yet to tell. */
import { type EventType, type Handoff, eventTypes } from '../../lib/index.ts';
import type { Earlier } from '../../lib/events/feed.ts';
import type { RunGraph } from '../../lib/events/run-graph.ts';
import { RunRecord } from '../../lib/report/run-record.ts';
import { overviewOf } from '../../lib/runtime/handoff.ts';

interface Told {
  readonly host: string;
  readonly event: any;
  readonly graph?: RunGraph;
  readonly earlier?: Earlier;
}

export class Heard {
  readonly told: Told[] = [];
  /** Ends the subscription. */
  readonly end: () => void;
  readonly #waiting = new Set<(told: Told) => void>();

  constructor(handoff: Handoff, ...types: readonly EventType[]) {
    this.end = overviewOf(handoff).feed.subscribe(types.length === 0 ? eventTypes : types, (told) => {
      this.told.push(told);
      for (const look of this.#waiting) look(told);
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

  /** A run as a reader knows it that heard all of this. */
  recordOf(runId: string): RunRecord {
    const began = this.of('run:started').find(({ event }) => event.runId === runId)!;
    const record = new RunRecord(began.graph!);
    for (const { event, earlier } of this.told) {
      record.record(event);
      if (event.runId === runId && earlier !== undefined) record.takeEarlier(earlier);
    }
    return record;
  }

  /** Resolves with the first such event, told or yet to be. */
  first(type: EventType, which: (event: any) => boolean = () => true): Promise<Told> {
    const isIt = ({ event }: Told): boolean => event.type === type && which(event);
    const known = this.told.find(isIt);
    if (known !== undefined) return Promise.resolve(known);
    return new Promise((resolve) => {
      const look = (told: Told): void => {
        if (!isIt(told)) return;
        this.#waiting.delete(look);
        resolve(told);
      };
      this.#waiting.add(look);
    });
  }
}
