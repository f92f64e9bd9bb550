import { connect } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { needAddress } from '../../../lib/hosts/transport/tcp/address.ts';
import type { TcpOptions } from '../../../lib/hosts/transport/tcp/options.ts';
import { TcpTransport } from '../../../lib/hosts/transport/tcp/tcp-transport.ts';
import type { Channel } from '../../../lib/hosts/transport/transport.ts';
import { elsewhere, foreign, ours } from './certificates.ts';
import { transportContract } from './contract.ts';
import { echo, framesOf, ping, RawSocket } from './support.ts';

transportContract('the TCP transport with TLS', (identity) => new TcpTransport({ identity: () => identity, port: 0, secret: 'sesame', tls: ours }));

describe('TLS', () => {
  const made: TcpTransport[] = [];
  afterEach(async () => {
    await Promise.all(made.splice(0).map((one) => one.close()));
  });

  const transport = (options: Partial<TcpOptions>): TcpTransport => {
    const one = new TcpTransport({ identity: () => ({ id: 'somebody', incarnation: 0 }), secret: 'sesame', ...options });
    made.push(one);
    return one;
  };
  const host = async (options: Partial<TcpOptions> = { tls: ours }) => {
    const channels: Channel[] = [];
    const address = (await transport({ port: 0, ...options }).listen((channel) => {
      channels.push(channel);
      echo(channel);
    }))!;
    return { address, channels };
  };
  const goodPeer = async (address: string) => {
    const channel = await transport({ tls: ours }).dial(address, 'control');
    const frames = framesOf(channel);
    await ping(channel, frames);
    return { check: () => ping(channel, frames) };
  };

  it.each([['a certificate that others signed', foreign], ['no trust in ours', elsewhere]])('refuses a peer with %s, and disturbs nobody', async (_name, tls) => {
    const { address, channels } = await host();
    const good = await goodPeer(address);
    await expect(transport({ tls }).dial(address, 'control')).rejects.toMatchObject({ code: 'UNAUTHORIZED', message: expect.stringContaining(address) });
    await good.check();
    expect(channels).toHaveLength(1);
  });

  it('refuses a peer without a certificate before it is told anything', async () => {
    const { address, channels } = await host();
    const good = await goodPeer(address);
    const socket = connect({ ...needAddress(address), ca: ours.ca, checkServerIdentity: () => undefined });
    const received: Buffer[] = [];
    socket.on('error', () => undefined).on('data', (bytes: Buffer) => received.push(bytes));
    await new Promise<unknown>((resolve) => socket.on('close', resolve));
    expect(received).toEqual([]);
    await good.check();
    expect(channels).toHaveLength(1);
  });

  it('refuses a host with a foreign certificate', async () => {
    const { address } = await host({ tls: foreign });
    await expect(transport({ tls: ours }).dial(address, 'control')).rejects.toMatchObject({ code: 'UNAUTHORIZED' });
  });

  it('still asks for the secret', async () => {
    const { address } = await host();
    await expect(transport({ tls: ours, secret: 'guess' }).dial(address, 'control')).rejects.toMatchObject({ code: 'UNAUTHORIZED', message: expect.stringContaining('secret') });
  });

  it('and none do not mix', async () => {
    const [safe, plain] = [await host(), await host({})];
    const good = await goodPeer(safe.address);
    await expect(transport({}).dial(safe.address, 'control')).rejects.toMatchObject({ code: expect.stringMatching(/PROTOCOL_ERROR|NODE_DOWN/) });
    await expect(transport({ tls: ours }).dial(plain.address, 'control')).rejects.toMatchObject({ code: 'UNAUTHORIZED' });
    await good.check();
  });

  it('says when nobody is there', async () => {
    const { address } = await host();
    await Promise.all(made.splice(0).map((one) => one.close()));
    await expect(transport({ tls: ours }).dial(address, 'control')).rejects.toMatchObject({ code: 'NODE_DOWN' });
  });

  it('has garbage and silence cut off, and disturbs nobody', async () => {
    const { address } = await host({ tls: ours, handshakeTimeout: 500 });
    const good = await goodPeer(address);
    const [garbage, silence] = [new RawSocket(address), new RawSocket(address)];
    garbage.write(Buffer.from('HOFF or not, this is no TLS at all, and long enough to be sure of that'));
    await Promise.all([garbage.closed, silence.closed]);
    await good.check();
  });
});
