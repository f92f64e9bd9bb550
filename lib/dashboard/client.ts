/** A connected page. It gets what changed since the last message, and nothing while it has not read that message. */
import type { ServerResponse } from 'node:http';
import { beginning, type Place, type RunHistory } from './run-history.ts';

/** Messages as JSON, built once for all pages that need the same. */
export interface Board {
  hello(): string;
  /** Runs that changed after a version, and known runs that are gone; undefined if there are none. */
  runs(since: number, known: ReadonlySet<string>): Updates | undefined;
  readonly nodes: Versioned;
  readonly trees: Versioned;
  run(key: string): RunHistory | undefined;
  /** The spans and marks of a run from a place on, in messages of bounded size, with the place where they end. */
  progress(run: RunHistory, from: Place): Progress;
}

export interface Updates {
  readonly message: string;
  /** Version of the history that the message reflects. */
  readonly version: number;
  /** Keys of all existing runs. */
  readonly keys: ReadonlySet<string>;
}

export interface Progress {
  readonly messages: readonly string[];
  readonly to: Place;
}

export interface Versioned {
  /** 0 before the first message. */
  readonly version: number;
  readonly message: string;
}

export class Client {
  readonly #response: ServerResponse;
  readonly #board: Board;
  readonly #runKey: string | undefined;
  #isGreeted = false;
  #known: ReadonlySet<string> = new Set();
  #runs = -1;
  #nodes = 0;
  #trees = 0;
  #place = beginning;
  #isBehind = false;
  #lastWrite = 0;

  constructor(response: ServerResponse, board: Board, runKey: string | undefined) {
    this.#response = response;
    this.#board = board;
    this.#runKey = runKey;
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'x-accel-buffering': 'no' });
    response.write('retry: 1000\n\n');
  }

  /**
   * Sends what changed. Whatever is skipped now is part of a later message, so that nothing queues up for a slow page.
   */
  advance(): void {
    do {
      if (this.#response.writableNeedDrain || this.#response.destroyed) return;
      const updates = this.#updates();
      if (updates.length === 0) return;
      this.#lastWrite = performance.now();
      this.#response.write(updates.map((message) => `data: ${message}\n\n`).join(''));
    } while (this.#isBehind);
  }

  /** Called when the page has read everything sent so far; sends the rest. */
  catchUp(): void {
    if (this.#isBehind) this.advance();
  }

  /** Keeps the connection alive through proxies if nothing was sent for `idle` ms. */
  beat(idle: number): void {
    if (performance.now() - this.#lastWrite < idle || this.#response.writableNeedDrain || this.#response.destroyed)
      return;
    this.#lastWrite = performance.now();
    this.#response.write(': still here\n\n');
  }

  end(): void {
    this.#response.end();
  }

  #updates(): string[] {
    const updates: string[] = [];
    const board = this.#board;
    if (!this.#isGreeted) updates.push(board.hello());
    this.#isGreeted = true;
    const runs = board.runs(this.#runs, this.#known);
    if (runs !== undefined) {
      updates.push(runs.message);
      this.#runs = runs.version;
      this.#known = runs.keys;
    }
    if (board.nodes.version > this.#nodes) updates.push(board.nodes.message);
    this.#nodes = board.nodes.version;
    if (board.trees.version > this.#trees) updates.push(board.trees.message);
    this.#trees = board.trees.version;
    const run = this.#runKey === undefined ? undefined : board.run(this.#runKey);
    this.#isBehind = false;
    if (run !== undefined) {
      const { messages, to } = board.progress(run, this.#place);
      updates.push(...messages);
      this.#place = to;
      this.#isBehind = to.rows < run.rows.count;
    }
    return updates;
  }
}
