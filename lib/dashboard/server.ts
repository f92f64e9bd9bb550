/** The dashboard's HTTP server. */
import { messageOf } from '../core/message-of.ts';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { HandoffError } from '../core/errors.ts';
import { formatAddress } from '../hosts/transport/tcp/address.ts';
import { whyNotListening } from '../hosts/transport/tcp/listen-error.ts';
import { type Door, checkAccess } from './guard.ts';
import { answer, type Parts, say } from './routes.ts';

export interface Listening {
  readonly url: string;
  readonly port: number;
  /** Resolves when all sockets are closed. */
  close(): Promise<void>;
}

// No request needs a longer body.
const maxBodyBytes = 4096;

/**
 * @param port 0 for any free port
 * @param onError called if the server fails later
 * @throws INVALID_OPTION if the address cannot be listened on
 */
export async function listen(
  parts: Parts,
  door: Door,
  port: number,
  onError: (error: unknown) => void,
): Promise<Listening> {
  const server = createServer({ requestTimeout: 30_000, headersTimeout: 10_000 }, (request, response) => {
    void serve(parts, door, (server.address() as AddressInfo | null)?.port ?? port, request, response);
  });
  const actual = await begin(server, door.host, port);
  server.on('error', onError);
  return {
    port: actual,
    url: `http://${formatAddress(shown(door.host), actual)}/`,
    async close() {
      await new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
      });
      // The system releases the port after this turn of the event loop.
      for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

async function begin(server: Server, host: string, port: number): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const what = `The dashboard cannot listen on ${formatAddress(host, port)}`;
      reject(new HandoffError('INVALID_OPTION', `${what}: ${whyNotListening(cause)}`, { option: 'dashboard', cause }));
    });
    // A resolver may map localhost elsewhere; it must stay unreachable from other machines.
    server.listen({ host: host === 'localhost' ? '127.0.0.1' : host, port }, resolve);
  });
  server.removeAllListeners('error');
  return (server.address() as AddressInfo).port;
}

/** The address as a browser can open it. */
function shown(host: string): string {
  return host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
}

async function serve(
  parts: Parts,
  door: Door,
  port: number,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { method = '', url = '/', headers } = request;
  const [path, ...rest] = url.split('?') as [string, ...string[]];
  const query = new URLSearchParams(rest.join('?'));
  response.setHeader('content-security-policy', parts.page.policy);
  response.setHeader('x-content-type-options', 'nosniff');
  response.setHeader('referrer-policy', 'no-referrer');
  response.setHeader('cross-origin-resource-policy', 'same-origin');
  response.setHeader('cross-origin-opener-policy', 'same-origin');
  response.setHeader('cache-control', 'no-store');
  response.on('error', () => {}); // the client is gone
  try {
    const access = checkAccess(door, port, { method, path, query, headers });
    if (access.kind === 'refuse') {
      if (access.status === 401) response.setHeader('www-authenticate', 'Bearer');
      return refuse(request, response, () => say(response, access.status, access.text));
    }
    if (access.kind === 'welcome')
      return void response.writeHead(303, { 'set-cookie': access.cookie, location: '.' }).end();
    if (!(await isShort(request)))
      return refuse(request, response, () => say(response, 413, 'The request body is too long.'));
    await answer(parts, { request, response, path, query });
  } catch (error) {
    if (response.headersSent) response.destroy();
    else say(response, 500, messageOf(error));
  }
}

/** Answers without reading the rest of the request. */
function refuse(request: IncomingMessage, response: ServerResponse, respond: () => void): void {
  if (!request.complete) response.setHeader('connection', 'close');
  respond();
}

/** Reads the body up to the limit. */
async function isShort(request: IncomingMessage): Promise<boolean> {
  if (Number(request.headers['content-length'] ?? 0) > maxBodyBytes) return false;
  let length = 0;
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    length += (chunk as Buffer).length;
    if (length > maxBodyBytes) return false;
  }
  return true;
}
