/** An HTTP server that runs a DAG for each request: many concurrent runs of one DAG, each with its own deadline. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { dag, type Handoff, HandoffError, tasks } from '../../lib/index.ts';

const t = tasks<typeof import('./tasks.ts')>(new URL('./tasks.ts', import.meta.url));

const maxTextChars = 100_000;

/** @param deadline ms a request may take */
export function createReportServer(handoff: Handoff, deadline: number): Server {
  return createServer((request, response) => void answer(handoff, request, response, deadline));
}

async function answer(
  handoff: Handoff,
  request: IncomingMessage,
  response: ServerResponse,
  deadline: number,
): Promise<void> {
  if (request.method !== 'POST' || request.url !== '/report')
    return send(response, 404, { error: 'POST a text to /report.' });
  const gone = new AbortController();
  response.once('close', () => gone.abort()); // abort when the client has disconnected
  try {
    const text = await textOf(request);
    if (text === undefined) return send(response, 413, { error: `A text has at most ${maxTextChars} characters.` });
    send(response, 200, await handoff.run(reportOn(text), { timeout: deadline, signal: gone.signal }));
  } catch (error) {
    const code = error instanceof HandoffError ? error.code : undefined;
    if (code !== 'ABORTED')
      send(response, code === 'RUN_TIMEOUT' ? 504 : code === 'STOPPED' ? 503 : 500, { error: code ?? 'failed' });
  }
}

/** A new DAG for each request; its id is only a label, so all can use the same one. */
function reportOn(text: string) {
  const words = t.words(text);
  return dag('report', t.report(words, t.frequent(words, 3), t.readability(text, words)));
}

async function textOf(request: IncomingMessage): Promise<string | undefined> {
  let text = '';
  request.setEncoding('utf8');
  for await (const part of request) {
    text += part as string;
    if (text.length > maxTextChars) return undefined;
  }
  return text;
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`);
}
