/** A web server in a process of its own that answers each request after some ms. It sends its port when it listens. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

const delay = Number(process.argv[2]);
const server = createServer((_, response) => void setTimeout(() => response.end('1'), delay));
server.keepAliveTimeout = 60_000;
server.listen({ port: 0, host: '127.0.0.1', backlog: 2048 }, () =>
  process.send!((server.address() as AddressInfo).port),
);
process.on('disconnect', () => process.exit());
