/** Serves reports on texts until it receives a signal to end. */
import type { AddressInfo } from 'node:net';
import { parseArgs } from 'node:util';
// In a project of your own: from 'handoffjs'.
import { Handoff } from '../../lib/index.ts';
import { createReportServer } from './server.ts';

const {
  values: { port, deadline },
} = parseArgs({
  options: { port: { type: 'string', default: '8080' }, deadline: { type: 'string', default: '2000' } },
});

const handoff = await Handoff.start();
const server = createReportServer(handoff, Number(deadline));
server.listen(Number(port), '127.0.0.1', () =>
  console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}`),
);

// Stop accepting requests, answer those under way, and end.
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => server.close(() => void handoff.stop()));
