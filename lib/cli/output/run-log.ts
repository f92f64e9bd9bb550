/** `--log`: what functions log and print, streamed, grouped by function, or dropped. */
import type { HandoffEvent } from '../../events/events.ts';
import type { logModes } from '../flags/choices.ts';
import { toText } from './output.ts';
import { printable } from './printable.ts';

export type LogMode = (typeof logModes)[number];

/** The events that each mode needs. `none` listens too, because output without a listener is printed. */
export const loggedEvents = {
  stream: ['function:log'],
  grouped: ['function:log', 'attempts', 'function:retrying', 'function:failed'],
  none: ['function:log'],
} as const satisfies Record<LogMode, readonly HandoffEvent['type'][]>;

export class RunLog {
  readonly #runId: string;
  readonly #mode: LogMode;
  readonly #say: (line: string) => void;
  /** Lines of functions that have not ended, by function id. */
  readonly #held = new Map<string, string[]>();

  /** @param say writes a line */
  constructor(runId: string, mode: LogMode, say: (line: string) => void) {
    this.#runId = runId;
    this.#mode = mode;
    this.#say = say;
  }

  record(event: HandoffEvent): void {
    if (this.#mode === 'none' || !('runId' in event) || event.runId !== this.#runId) return;
    switch (event.type) {
      case 'function:log':
        return this.#line(
          event.functionId,
          event.values
            .map(toText)
            .join(' ')
            .split('\n')
            .map((line) => `${printable(event.functionId)}: ${line}`)
            .join('\n'),
        );
      case 'attempts':
        if (this.#held.size > 0) for (const id of event.functionIds) this.#flush(id);
        return;
      case 'function:retrying':
      case 'function:failed':
        return this.#flush(event.functionId); // attempts that end with their thread are not in the columns
    }
  }

  /** Writes the held lines of functions that never ended. */
  close(): void {
    for (const id of [...this.#held.keys()]) this.#flush(id);
  }

  #line(functionId: string, line: string): void {
    if (this.#mode === 'stream') return this.#say(line);
    const lines = this.#held.get(functionId);
    if (lines === undefined) this.#held.set(functionId, [line]);
    else lines.push(line);
  }

  #flush(functionId: string): void {
    const lines = this.#held.get(functionId);
    if (lines === undefined) return;
    this.#held.delete(functionId);
    this.#say(lines.join('\n'));
  }
}
