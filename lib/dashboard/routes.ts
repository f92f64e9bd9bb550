/** Answers requests to the dashboard. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { Readable } from 'node:stream';
import { constants, createGzip } from 'node:zlib';
import { copyOfGraph } from '../report/run-record.ts';
import type { RunGraph } from '../events/run-graph.ts';
import type { History } from './history.ts';
import type { Live } from './live.ts';
import type { PageFiles } from './page-files.ts';
import type { RunHistory } from './run-history.ts';
import type { Source } from './source.ts';
import { toFunctionView } from './views.ts';

/** Prometheus' text format. */
export interface MetricsText {
  readonly contentType: string;
  text(): Promise<string>;
}

export interface Parts {
  readonly source: Source;
  readonly history: History;
  readonly live: Live;
  readonly page: PageFiles;
  /** Undefined if there are no metrics. */
  readonly metrics: (() => Promise<MetricsText>) | undefined;
}

interface Asked {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly path: string;
  readonly query: URLSearchParams;
}

// Connected pages.
const maxClients = 100;

/** @param path without the query, not decoded */
export async function answer(parts: Parts, asked: Asked): Promise<void> {
  const { request, response, path } = asked;
  const [, key, what = ''] = /^\/api\/runs\/([\w-]{1,64})\/(cancel|graph|functions\/\d{1,9})$/.exec(path) ?? [];
  const isChange = what === 'cancel';
  const isRead = request.method === 'GET' || (request.method === 'HEAD' && parts.page.files.has(path));
  if (isChange ? request.method !== 'POST' : !isRead) {
    response.setHeader('allow', isChange ? 'POST' : 'GET');
    return say(response, 405, 'Method not allowed.');
  }
  const file = parts.page.files.get(path);
  if (file !== undefined) return send(response, 200, file.type, file.body);
  if (path === '/api/events') return events(parts, asked);
  if (path === '/metrics' && parts.metrics !== undefined) {
    const metrics = await parts.metrics();
    return send(response, 200, metrics.contentType, await metrics.text());
  }
  if (key === undefined) return say(response, 404, 'Not found.');
  const run = parts.history.get(key);
  if (run === undefined) return say(response, 404, 'The run does not exist, or it was dropped.');
  if (isChange) return cancel(parts, run, response);
  if (what === 'graph') return graph(copyOfGraph(run.record.graph), asked);
  return functionView(parts, run, Number(what.slice('functions/'.length)), response);
}

/** Answers with an error as JSON. */
export function say(response: ServerResponse, status: number, error: string): void {
  send(response, status, 'application/json; charset=utf-8', JSON.stringify({ error }));
}

function send(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) }).end(body);
}

function events({ live }: Parts, { response, query }: Asked): void {
  if (live.clients >= maxClients) return say(response, 503, `${maxClients} pages are connected, which is the limit.`);
  live.connect(response, query.get('run') ?? undefined);
}

async function cancel({ source }: Parts, run: RunHistory, response: ServerResponse): Promise<void> {
  const isUnderWay = !run.isOver && (await source.cancel(run.host, run.record.graph.runId));
  if (!isUnderWay) return say(response, 409, 'The run is over.');
  response.writeHead(202).end();
}

async function functionView({ source }: Parts, run: RunHistory, i: number, response: ServerResponse): Promise<void> {
  if (i >= run.record.graph.ids.length) return say(response, 404, 'The run has no such function.');
  send(response, 200, 'application/json; charset=utf-8', JSON.stringify(await toFunctionView(run, i, source)));
}

/** A graph may be large. It is built and sent in pieces, so that it does not block other work. */
async function graph(of: RunGraph, { request, response }: Asked): Promise<void> {
  const isGzip = /\bgzip\b/.test(request.headers['accept-encoding'] ?? '');
  response.writeHead(200, {
    'content-type': 'application/json; charset=utf-8',
    ...(isGzip && { 'content-encoding': 'gzip' }),
    vary: 'accept-encoding',
  });
  const text = Readable.from(inPieces(of));
  if (isGzip) await pipeline(text, createGzip({ level: constants.Z_BEST_SPEED }), response);
  else await pipeline(text, response);
}

const piece = 5000;

/** JSON of an object whose fields may be long lists. */
export async function* inPieces(object: object): AsyncGenerator<string> {
  let before = '{';
  for (const [name, value] of Object.entries(object) as [string, unknown][]) {
    yield `${before}${JSON.stringify(name)}:`;
    before = ',';
    if (!Array.isArray(value) || value.length <= piece) {
      yield JSON.stringify(value);
      continue;
    }
    for (let at = 0; at < value.length; at += piece) {
      yield (at === 0 ? '[' : ',') + JSON.stringify(value.slice(at, at + piece)).slice(1, -1);
      await new Promise((resolve) => setImmediate(resolve));
    }
    yield ']';
  }
  yield before === '{' ? '{}' : '}';
}
