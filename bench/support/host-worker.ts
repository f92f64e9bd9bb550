/**
 * Another host in a separate process, together with a hand-written comparison on plain sockets: an echo, and a sender
 * of bytes.
 */
import { createServer } from 'node:net';
import { Handoff } from '../../lib/index.ts';

const [name = 'far', bytes = '0', threads = '1', transport = '{}'] = process.argv.slice(2);
const block = Buffer.alloc(Number(bytes), 1);
const echo = createServer({ noDelay: true }, (socket) =>
  socket.on('data', (data) => socket.write(data)).on('error', () => {}),
);
const sender = createServer({ noDelay: true }, (socket) =>
  socket.on('data', () => socket.write(block)).on('error', () => {}),
);
const listen = (server: typeof echo): Promise<number> =>
  new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port)));

const handoff = await Handoff.start({
  nodes: [{ name, capabilities: { cpu: Number(threads) }, threads: Number(threads) }],
  transport: { type: 'tcp', root: new URL('../..', import.meta.url).pathname, ...(JSON.parse(transport) as object) },
});
process.send!({ address: handoff.address, echo: await listen(echo), sender: await listen(sender) });
