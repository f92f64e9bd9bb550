/** Progress on stderr: one block redrawn in place on a terminal, plain lines elsewhere. */
import { messageOf } from '../../core/message-of.ts';
import { createRequire } from 'node:module';
import { styleText } from 'node:util';
import type { NodeActivity } from '../../events/activity.ts';
import { type EventOf, type HandoffEvent, timestamp } from '../../events/events.ts';
import { ProgressMeter, type ProgressState } from '../../report/progress.ts';
import type { RunRecord } from '../../report/run-record.ts';
import { formatMs, formatNumber } from './output.ts';
import { columnsOf, printable, printableLine, shortened } from './printable.ts';

export interface ProgressView {
  /** Takes in an event after the record has. */
  record(event: HandoffEvent): void;
  /** Takes in the current activity of the nodes. */
  nodes(nodes: readonly NodeActivity[]): void;
  /** Shows the final state and releases the terminal. */
  close(): void;
}

const redrawEvery = 100;
const [minBarWidth, maxBarWidth] = [8, 28];
const shownFunctions = 4;
// Runs with more functions than this print a line per interval (ms) instead of a line per function.
const lineEach = 50;
const lineEvery = 1000;
// ms after which a running function's duration is shown.
const long = 2000;

// ms between two messages that say what the run waits for.
const waitEvery = 5000;

/**
 * An updating block on a terminal that can move its cursor; lines elsewhere.
 *
 * @param waitsFor returns what keeps the run from starting, or undefined if nothing does
 */
export function createProgressView(
  record: RunRecord,
  stream: NodeJS.WriteStream,
  waitsFor: () => string | undefined = () => undefined,
): ProgressView {
  return stream.isTTY && process.env['TERM'] !== 'dumb'
    ? new TerminalView(record, stream, waitsFor)
    : new PlainView(record, stream, waitsFor);
}

type LogUpdate = typeof import('log-update');

class TerminalView implements ProgressView {
  readonly #record: RunRecord;
  readonly #meter: ProgressMeter;
  readonly #update: ReturnType<LogUpdate['createLogUpdate']>;
  readonly #stream: NodeJS.WriteStream;
  readonly #write: NodeJS.WriteStream['write'];
  readonly #timer: NodeJS.Timeout;
  #nodes: readonly NodeActivity[] = [];
  /** Start times of running functions. */
  #running = new Map<number, number>();
  #partial = '';
  readonly #waitsFor: () => string | undefined;

  constructor(record: RunRecord, stream: NodeJS.WriteStream, waitsFor: () => string | undefined) {
    this.#waitsFor = waitsFor;
    this.#record = record;
    this.#meter = new ProgressMeter(record);
    this.#stream = stream;
    const write = (this.#write = stream.write);
    // Only a terminal needs this package, which takes long to load.
    const { createLogUpdate } = createRequire(import.meta.url)('log-update') as LogUpdate;
    // The cursor stays visible: after a crash it need not be restored.
    this.#update = createLogUpdate(
      {
        isTTY: true,
        get columns() {
          return stream.columns;
        },
        get rows() {
          return stream.rows;
        },
        write: write.bind(stream),
      } as NodeJS.WriteStream,
      { showCursor: true },
    );
    // Other output, such as warnings and prints of functions, goes above the block.
    stream.write = ((chunk: string | Uint8Array, ...rest: unknown[]) => {
      this.#above(typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString());
      const done = rest.find((each) => typeof each === 'function') as (() => void) | undefined;
      if (done !== undefined) queueMicrotask(done);
      return true;
    }) as NodeJS.WriteStream['write'];
    this.#timer = setInterval(() => this.#draw(), redrawEvery);
    this.#draw();
  }

  record(): void {}

  nodes(nodes: readonly NodeActivity[]): void {
    this.#nodes = nodes;
    const { index, graph } = this.#record;
    this.#running = new Map();
    for (const { running } of nodes.flatMap(({ threads }) => threads)) {
      const i = running?.runId === graph.runId ? index.get(running.functionId) : undefined;
      if (i !== undefined) this.#running.set(i, running!.since);
    }
  }

  close(): void {
    clearInterval(this.#timer);
    this.#nodes = [];
    if (this.#partial !== '') this.#above('\n');
    this.#draw();
    this.#update.done();
    this.#stream.write = this.#write;
  }

  /** Writes whole lines above the block, which starts on a line of its own. */
  #above(text: string): void {
    const end = text.lastIndexOf('\n');
    if (end < 0) {
      this.#partial += text;
      return;
    }
    this.#update.persist(this.#partial + text.slice(0, end));
    this.#partial = text.slice(end + 1);
    this.#draw();
  }

  #draw(): void {
    const width = Math.max(20, this.#stream.columns ?? 80);
    const state = this.#meter.state(
      timestamp(),
      this.#nodes.map(({ threads, declared }) => ({ threads: threads.length, capabilities: declared })),
      this.#running,
    );
    const most = Math.max(1, (this.#stream.rows ?? 24) - 3);
    const lines = this.#nodes.slice(0, most).map((node) => this.#nodeLine(node, width));
    if (this.#nodes.length > most) lines.push(`  and ${this.#nodes.length - most} more nodes`);
    const wait = this.#record.startedAt === undefined ? this.#waitsFor() : undefined;
    this.#update(
      [wait === undefined ? this.#bar(state, width) : shortened(printableLine(wait), width), ...lines].join('\n'),
    );
  }

  #bar(state: ProgressState, width: number): string {
    const name = shortened(printable(state.dagId), Math.max(6, Math.floor(width / 4)));
    const parts = partsOf(state, this.#nodes.length === 0 ? undefined : this.#running.size);
    // Drop the last parts that do not fit.
    while (parts.length > 1 && columnsOf(name) + minBarWidth + 2 + columnsOf(parts.join(' · ')) > width) parts.pop();
    const text = parts.join(' · ');
    const room = Math.max(0, Math.min(maxBarWidth, width - columnsOf(name) - columnsOf(text) - 2));
    const full = state.total === 0 ? room : Math.round(((state.done + state.skipped) / state.total) * room);
    return `${name} ${this.#style('green', '━'.repeat(full))}${this.#style('gray', '─'.repeat(room - full))} ${text}`;
  }

  #nodeLine({ name, isUp, declared, claimed, threads }: NodeActivity, width: number): string {
    const now = timestamp();
    const ids = threads.flatMap(({ running }) => (running === null ? [] : [describe(running, this.#record, now)]));
    const held = Object.entries(declared)
      .map(([resource, amount]) => `${resource} ${formatNumber(claimed[resource] ?? 0)}/${formatNumber(amount)}`)
      .join(' ');
    const names = `${ids.slice(0, shownFunctions).join(', ')}${ids.length > shownFunctions ? ` and ${ids.length - shownFunctions} more` : ''}`;
    const does = !isUp ? 'down' : ids.length === 0 ? 'idle' : names;
    const node = shortened(printable(name), Math.max(4, Math.floor(width / 3)));
    const rest = shortened(printable(`${does}${held === '' ? '' : `  (${held})`}`), width - columnsOf(node) - 3);
    return `  ${this.#style('cyan', node)} ${rest}`;
  }

  #style(format: 'green' | 'gray' | 'cyan', text: string): string {
    return styleText(format, text, { stream: this.#stream });
  }
}

class PlainView implements ProgressView {
  readonly #record: RunRecord;
  readonly #meter: ProgressMeter;
  readonly #stream: NodeJS.WriteStream;
  #saidAt = timestamp();
  #toldAt = -Infinity;
  readonly #timer: NodeJS.Timeout;

  constructor(record: RunRecord, stream: NodeJS.WriteStream, waitsFor: () => string | undefined) {
    this.#timer = setInterval(() => {
      const wait = record.startedAt === undefined ? waitsFor() : undefined;
      if (wait !== undefined) this.#say(printableLine(wait));
    }, waitEvery).unref();
    this.#record = record;
    this.#meter = new ProgressMeter(record);
    this.#stream = stream;
  }

  record(event: HandoffEvent): void {
    if (!('runId' in event) || event.runId !== this.#record.graph.runId) return;
    if (event.type === 'function:retrying')
      this.#say(`${failureOf(event)}, trying again: ${printableLine(messageOf(event.error))}`);
    else if (event.type === 'function:failed')
      this.#say(`${failureOf(event)}: ${printableLine(messageOf(event.error))}`);
    else if (event.type === 'function:skipped' && this.#record.graph.ids.length <= lineEach)
      this.#say(`${printable(event.functionId)} skipped`);
    else if (event.type === 'function:progress') this.#progress(event);
    else if (event.type === 'attempts') this.#ended(event);
  }

  nodes(): void {}

  /** At most one line per interval, because a function may tell its progress often. */
  #progress(event: EventOf<'function:progress'>): void {
    const now = timestamp();
    if (now - this.#toldAt < lineEvery) return;
    this.#toldAt = now;
    this.#say(`${printable(event.functionId)} ${progressWords(event)}`);
  }

  close(): void {
    clearInterval(this.#timer);
    if (this.#record.graph.ids.length > lineEach)
      this.#say(partsOf(this.#meter.state(timestamp()), undefined).join(' · '));
  }

  #ended({ node, functionIds, spans, failed }: Extract<HandoffEvent, { type: 'attempts' }>): void {
    const total = this.#record.graph.ids.length;
    if (total <= lineEach) {
      const fine = functionIds.flatMap((id, k) =>
        failed.includes(k) ? [] : [[id, spans[2 * k + 1]! - spans[2 * k]!] as const],
      );
      fine.forEach(([id, ms], k) =>
        this.#say(
          `[${this.#record.done - fine.length + k + 1}/${total}] ${printable(id)} on ${printable(node)} in ${formatMs(ms)}`,
        ),
      );
      return;
    }
    const now = timestamp();
    if (now - this.#saidAt < lineEvery) return;
    this.#saidAt = now;
    this.#say(partsOf(this.#meter.state(now), undefined).join(' · '));
  }

  #say(line: string): void {
    this.#stream.write(`${line}\n`);
  }
}

/** A function that runs for long shows its duration. */
function describe(
  { runId, dagId, functionId, since }: NonNullable<NodeActivity['threads'][number]['running']>,
  { graph, progress }: RunRecord,
  now: number,
): string {
  const isOwn = runId === graph.runId;
  const told = isOwn ? progress.get(functionId) : undefined;
  const far = told === undefined ? '' : ` ${progressWords(told)}`;
  return `${isOwn ? '' : `${dagId}/`}${functionId}${far}${now - since < long ? '' : ` ${formatMs(now - since)}`}`;
}

function progressWords({ fraction, note }: { readonly fraction: number; readonly note: string | undefined }): string {
  const percent = `${Math.round(fraction * 100)} %`;
  return note === undefined ? percent : `${percent} (${printableLine(note)})`;
}

/** Parts of the status line, most important first. */
function partsOf(
  { done, total: all, failed, skipped, retries, elapsed, rate, remaining }: ProgressState,
  running: number | undefined,
): string[] {
  const total = all - skipped;
  const parts = [`${done}/${total}`];
  if (skipped > 0) parts.push(`${skipped} skipped`);
  if (failed > 0) parts.push(`${failed} failed`);
  if (done < total && failed === 0 && remaining !== undefined && remaining >= 1000)
    parts.push(`~${formatMs(remaining)} left`);
  parts.push(formatMs(elapsed));
  if (running !== undefined && running > 0 && done < total) parts.push(`${running} running`);
  if (retries > 0) parts.push(`${retries} retried`);
  if (rate !== undefined && rate >= 1 && done < total)
    parts.push(`${formatNumber(rate >= 10 ? Math.round(rate) : rate)}/s`);
  return parts;
}

function failureOf({ functionId, node }: { readonly functionId: string; readonly node: string }): string {
  return `${printable(functionId)} failed on ${printable(node)}`;
}
