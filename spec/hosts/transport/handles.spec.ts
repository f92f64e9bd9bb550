import { once } from 'node:events';
import { expect, it } from 'vitest';
import type { TcpOptions } from '../../../lib/hosts/transport/tcp/options.ts';
import { TcpTransport } from '../../../lib/hosts/transport/tcp/tcp-transport.ts';
import { ours } from './certificates.ts';
import { echo, framesOf, pattern, ping, RawSocket } from './support.ts';

/** Handles of sockets and servers in this process, which has no others: each file of specs runs in its own. */
const handles = (): string[] => process.getActiveResourcesInfo().filter((name) => /TCP|TLS/.test(name));

const kinds: [string, Partial<TcpOptions>][] = [
  ['plain', {}],
  ['a secret', { secret: 'open sesame, long and random' }],
  ['TLS', { tls: ours }],
];

it.each(kinds)('a transport leaves no handle behind when it is closed: %s', async (_name, options) => {
  expect(handles()).toEqual([]);
  const make = (id: string, port?: number): TcpTransport =>
    new TcpTransport({ identity: () => ({ id, incarnation: 0 }), ...options, ...(port === undefined ? {} : { port }) });
  const [host, peer] = [make('host', 0), make('peer')];
  const address = (await host.listen(echo))!;
  const channel = await peer.dial(address, 'control');
  await ping(channel, framesOf(channel));
  channel.send(1, pattern(1024 * 1024));
  const unproven = new RawSocket(address);
  await once(unproven.socket, 'connect');
  const dialling = peer.dial(address, 'bulk').catch((error: unknown) => error);
  expect(handles().length).toBeGreaterThan(4);
  await Promise.all([peer.close(), host.close(), unproven.closed]);
  expect(await dialling).toMatchObject({ code: 'STOPPED' });
  await new Promise((resolve) => setImmediate(resolve));
  expect(handles()).toEqual([]);
});
