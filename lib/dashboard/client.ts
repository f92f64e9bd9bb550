/** One page that listens: it is sent what is new since it was last sent something, and nothing while it has not taken in what it was sent. */
import type { ServerResponse } from 'node:http';
import { beginning, type Place, type RunHistory } from './run-history.ts';

/** Messages as JSON; they are made once for all who need the same. */
export interface Board {
  hello(): string;
  /** Of runs that changed after a version, and of those among the known ones that are gone; undefined: there are none. */
  runs(since: number, known: ReadonlySet<string>): News | undefined;
  readonly nodes: Versioned;
  readonly trees: Versioned;
  run(key: string): RunHistory | undefined;
  /** The spans and marks of a run from a place on, in messages of bounded size, and where they end. */
  progress(run: RunHistory, from: Place): Progress;
}

export interface News {
  readonly message: string;
  /** That of the history which it tells up to. */
  readonly version: number;
  /** Of all runs that there are. */
  readonly keys: ReadonlySet<string>;
}

export interface Progress {
  readonly messages: readonly string[];
  readonly to: Place;
}

export interface Versioned {
  /** 0: there is nothing yet. */
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

  /** Sends what is new. What is not sent now is part of what is new later, so that nothing piles up for who is slow. */
  advance(): void {
    do {
      if (this.#response.writableNeedDrain || this.#response.destroyed) return;
      const news = this.#news();
      if (news.length === 0) return;
      this.#lastWrite = performance.now();
      this.#response.write(news.map((message) => `data: ${message}\n\n`).join(''));
    } while (this.#isBehind);
  }

  /** It has taken in what it was sent: sends more, if that was not all. */
  catchUp(): void {
    if (this.#isBehind) this.advance();
  }

  /** Shows proxies that the connection is alive, if nothing else has for so many ms. */
  beat(idle: number): void {
    if (performance.now() - this.#lastWrite < idle || this.#response.writableNeedDrain || this.#response.destroyed) return;
    this.#lastWrite = performance.now();
    this.#response.write(': still here\n\n');
  }

  end(): void {
    this.#response.end();
  }

  #news(): string[] {
    const news: string[] = [];
    const board = this.#board;
    if (!this.#isGreeted) news.push(board.hello());
    this.#isGreeted = true;
    const runs = board.runs(this.#runs, this.#known);
    if (runs !== undefined) {
      news.push(runs.message);
      this.#runs = runs.version;
      this.#known = runs.keys;
    }
    if (board.nodes.version > this.#nodes) news.push(board.nodes.message);
    this.#nodes = board.nodes.version;
    if (board.trees.version > this.#trees) news.push(board.trees.message);
    this.#trees = board.trees.version;
    const run = this.#runKey === undefined ? undefined : board.run(this.#runKey);
    this.#isBehind = false;
    if (run !== undefined) {
      const { messages, to } = board.progress(run, this.#place);
      news.push(...messages);
      this.#place = to;
      this.#isBehind = to.rows < run.rows.count;
    }
    return news;
  }
}
