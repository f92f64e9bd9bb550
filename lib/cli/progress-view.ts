/** Progress on stderr: one block redrawn in place on a terminal, plain lines elsewhere. */
import { styleText } from 'node:util';
import { createLogUpdate } from 'log-update';
import { type HandoffEvent, timestamp } from '../observe/events.ts';
import { type ProgressState, ProgressTracker } from '../observe/progress.ts';
import { formatMs } from './output.ts';

export interface ProgressView {
  record(event: HandoffEvent): void;
  /** Shows the end, and gives the terminal back. */
  close(): void;
}

const redrawEvery = 80;
const barWidth = 28;
const shownFunctions = 4;
// Above so many functions a line each would be too many.
const lineEach = 50;

export function createProgressView(dagId: string, stream: NodeJS.WriteStream): ProgressView {
  return stream.isTTY ? new TerminalView(dagId, stream) : new PlainView(dagId, stream);
}

class TerminalView implements ProgressView {
  readonly #tracker: ProgressTracker;
  readonly #update: ReturnType<typeof createLogUpdate>;
  readonly #stream: NodeJS.WriteStream;
  readonly #timer: NodeJS.Timeout;

  constructor(dagId: string, stream: NodeJS.WriteStream) {
    this.#tracker = new ProgressTracker(dagId);
    this.#stream = stream;
    this.#update = createLogUpdate(stream);
    this.#timer = setInterval(() => this.#draw(), redrawEvery);
  }

  record(event: HandoffEvent): void {
    this.#tracker.record(event);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#draw();
    this.#update.done();
  }

  #draw(): void {
    const state = this.#tracker.state(timestamp());
    const width = Math.max(10, Math.min(barWidth, (this.#stream.columns ?? 80) - 44));
    const full = state.total === 0 ? width : Math.round((state.done / state.total) * width);
    const bar = this.#style('green', '━'.repeat(full)) + this.#style('gray', '━'.repeat(width - full));
    this.#update([`${state.dagId} ${bar} ${summary(state)}`, ...this.#runningLines(state)].join('\n'));
  }

  #runningLines({ running }: ProgressState): string[] {
    const byNode = Map.groupBy(running, ([, node]) => node);
    return [...byNode].sort(([a], [b]) => a.localeCompare(b)).map(([node, functions]) => {
      const names = functions.slice(0, shownFunctions).map(([functionId]) => functionId).join(', ');
      const more = functions.length > shownFunctions ? ` and ${functions.length - shownFunctions} more` : '';
      return `  ${this.#style('cyan', node)} ${names}${more}`;
    });
  }

  #style(format: 'green' | 'gray' | 'cyan', text: string): string {
    return styleText(format, text, { stream: this.#stream });
  }
}

class PlainView implements ProgressView {
  readonly #tracker: ProgressTracker;
  readonly #stream: NodeJS.WriteStream;
  #saidAt = 0;

  constructor(dagId: string, stream: NodeJS.WriteStream) {
    this.#tracker = new ProgressTracker(dagId);
    this.#stream = stream;
  }

  record(event: HandoffEvent): void {
    this.#tracker.record(event);
    const state = this.#tracker.state(event.at);
    if (event.type === 'function:retried') this.#say(`${event.functionId} failed on ${event.node}, trying again: ${messageOf(event.error)}`);
    else if (event.type === 'function:failed') this.#say(`${event.functionId} failed on ${event.node}: ${messageOf(event.error)}`);
    else if (event.type === 'function:finished' && state.total <= lineEach) {
      this.#say(`[${state.done}/${state.total}] ${event.functionId} on ${event.node} in ${formatMs(event.durationMs)}`);
    } else if (event.type === 'function:finished' && event.at - this.#saidAt >= 1000) {
      this.#saidAt = event.at;
      this.#say(summary(state));
    }
  }

  close(): void {
    const state = this.#tracker.state(timestamp());
    if (state.total > lineEach) this.#say(summary(state));
  }

  #say(line: string): void {
    this.#stream.write(`${line}\n`);
  }
}

function summary({ done, total, failed, retries, elapsed, remaining }: ProgressState): string {
  const parts = [`${done}/${total}`, formatMs(elapsed)];
  if (failed > 0) parts.push(`${failed} failed`);
  if (retries > 0) parts.push(`${retries} retried`);
  if (done < total && failed === 0 && remaining !== undefined && remaining >= 1000) parts.push(`about ${formatMs(remaining)} left`);
  return parts.join(' · ');
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
