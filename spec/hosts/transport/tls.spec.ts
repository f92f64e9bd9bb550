import { connect } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import type { HandoffError } from '../../../lib/core/errors.ts';
import { needAddress } from '../../../lib/hosts/transport/tcp/address.ts';
import { hello } from '../../../lib/hosts/transport/tcp/hello.ts';
import { Refusal } from '../../../lib/hosts/transport/tcp/refusal.ts';
import type { ConnectionRefused, TcpOptions } from '../../../lib/hosts/transport/tcp/options.ts';
import type { TlsOptions } from '../../../lib/hosts/transport/tcp/schema.ts';
import { TcpTransport } from '../../../lib/hosts/transport/tcp/tcp-transport.ts';
import type { Channel } from '../../../lib/hosts/transport/transport.ts';
import { elsewhere, expired, foreign, future, ours, selfSigned } from './certificates.ts';
import { transportContract } from './contract.ts';
import { echo, framesOf, ping, RawSocket } from './support.ts';

const secret = 'open sesame, long and random';

transportContract(
  'the TCP transport with a secret',
  (identity) => new TcpTransport({ identity: () => identity, port: 0, secret }),
);
transportContract(
  'the TCP transport with TLS',
  (identity) => new TcpTransport({ identity: () => identity, port: 0, secret, tls: ours }),
);

describe('TLS', () => {
  const made: TcpTransport[] = [];
  afterEach(async () => {
    await Promise.all(made.splice(0).map((one) => one.close()));
  });

  const transport = (options: Partial<TcpOptions>): TcpTransport => {
    const one = new TcpTransport({ identity: () => ({ id: 'somebody', incarnation: 0 }), secret, ...options });
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

  it.each([
    ['a certificate that others signed', foreign],
    ['no trust in ours', elsewhere],
  ])('refuses a peer with %s, and disturbs nobody', async (_name, tls) => {
    const { address, channels } = await host();
    const good = await goodPeer(address);
    await expect(transport({ tls }).dial(address, 'control')).rejects.toMatchObject({
      code: 'UNAUTHORIZED',
      message: expect.stringContaining(address),
    });
    await good.check();
    expect(channels).toHaveLength(1);
  });

  it('tells a peer without a certificate only that it is refused', async () => {
    const { address, channels } = await host();
    const good = await goodPeer(address);
    const socket = connect({ ...needAddress(address), ca: ours.ca, checkServerIdentity: () => undefined });
    const received: Buffer[] = [];
    socket.on('error', () => undefined).on('data', (bytes: Buffer) => received.push(bytes));
    await new Promise<unknown>((resolve) => socket.on('close', resolve));
    expect(Buffer.concat(received)).toEqual(hello(undefined, false, Refusal.noCertificate));
    await good.check();
    expect(channels).toHaveLength(1);
  });

  it('refuses a host with a foreign certificate', async () => {
    const { address } = await host({ tls: foreign });
    await expect(transport({ tls: ours }).dial(address, 'control')).rejects.toMatchObject({ code: 'UNAUTHORIZED' });
  });

  it('still asks for the secret', async () => {
    const { address } = await host();
    await expect(
      transport({ tls: ours, secret: 'a guess that is long enough' }).dial(address, 'control'),
    ).rejects.toMatchObject({ code: 'UNAUTHORIZED', message: expect.stringContaining('secret') });
  });

  /** Dials a host, and gives what either side says of it. */
  const mistake = async (
    listening: Partial<TcpOptions>,
    dialling: Partial<TcpOptions>,
  ): Promise<{ readonly dialler: string; readonly listener: string }> => {
    const told = Promise.withResolvers<ConnectionRefused>();
    const without = { secret: undefined as never };
    const { address, channels } = await host({ ...without, ...listening, onRefused: told.resolve });
    const own: ConnectionRefused[] = [];
    const error = await transport({ ...without, ...dialling, onRefused: (refusal) => void own.push(refusal) })
      .dial(address, 'control')
      .then(
        () => expect.unreachable(),
        (thrown: unknown) => thrown as HandoffError,
      );
    expect(error).toMatchObject({ code: 'UNAUTHORIZED', message: expect.stringContaining(address) });
    expect(own).toMatchObject([{ peer: address, dialled: true, error, others: 0 }]);
    const refusal = await told.promise;
    expect(refusal).toMatchObject({
      peer: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
      dialled: false,
      error: { code: 'UNAUTHORIZED' },
    });
    expect(channels).toEqual([]);
    return { dialler: error.message, listener: refusal.error.message };
  };

  it.each<[string, TlsOptions, RegExp, RegExp]>([
    [
      'has expired',
      expired,
      /refuses this host: the certificate of this host \(tls\.cert\) has expired/,
      /the certificate of 127\.0\.0\.1:\d+ has expired/,
    ],
    [
      'is not valid yet',
      future,
      /refuses this host: the certificate of this host \(tls\.cert\) is not valid yet/,
      /the certificate of 127\.0\.0\.1:\d+ is not valid yet/,
    ],
    [
      'is of another authority',
      foreign,
      /refuses this host: the certificate of this host \(tls\.cert\) is not signed by the authority/,
      /the certificate of 127\.0\.0\.1:\d+ is not signed by the authority/,
    ],
    [
      'is self-signed',
      selfSigned,
      /refuses this host: the certificate of this host \(tls\.cert\) is not signed by the authority/,
      /the certificate of 127\.0\.0\.1:\d+ is self-signed/,
    ],
  ])(
    'names the certificate that is wrong on both sides, whichever shows it: it %s',
    async (_name, tls, refused, judged) => {
      const byDialler = await mistake({ tls: ours }, { tls });
      expect(byDialler.dialler).toMatch(refused);
      expect(byDialler.listener).toMatch(judged);
      const byListener = await mistake({ tls }, { tls: ours });
      expect(byListener.dialler).toMatch(new RegExp(judged.source.replace('127\\.0\\.0\\.1:\\d+', 'the host at \\S+')));
      expect(byListener.listener).toMatch(new RegExp(refused.source.replace('the other host', '.*')));
    },
  );

  it.each<[string, Partial<TcpOptions>, Partial<TcpOptions>, RegExp, RegExp]>([
    [
      'a secret only here',
      { tls: ours, secret },
      { tls: ours },
      /has a secret, but this host has none/,
      /has no secret, but this host has one/,
    ],
    [
      'a secret only there',
      { tls: ours },
      { tls: ours, secret },
      /has no secret, but this host has one/,
      /has a secret, but this host has none/,
    ],
    [
      'certificates here, a secret there',
      { tls: ours },
      { secret },
      /presented a certificate, but this host has only a secret/,
      /presented no certificate|refuses this host/,
    ],
    [
      'a secret here, certificates there',
      { secret },
      { tls: ours },
      /has no certificate, only a secret/,
      /did not prove that it knows the secret: it uses certificates/,
    ],
    [
      'certificates here, nothing there',
      { tls: ours },
      {},
      /accepts only TLS, but this host has neither a secret nor tls/,
      /does not use TLS, but this host has tls/,
    ],
    [
      'nothing here, certificates there',
      {},
      { tls: ours },
      /has neither a secret nor tls, but this host has/,
      /speaks TLS, but this host has neither/,
    ],
    [
      'another secret',
      { tls: ours, secret },
      { tls: ours, secret: `${secret}!` },
      /closed the connection when asked for proof\. Does it have the same secret/,
      /did not prove that it knows the secret/,
    ],
  ])('names what the two sides do not have in common: %s', async (_name, listening, dialling, dialler, listener) => {
    const said = await mistake(listening, dialling);
    expect(said.dialler).toMatch(dialler);
    expect(said.listener).toMatch(listener);
  });

  it.each<[string, Partial<TlsOptions>, RegExp]>([
    [
      'key and certificate are swapped',
      { cert: ours.key, key: ours.cert },
      /tls\.cert is not valid: expected a certificate, as PEM; it holds a private key .*swapped/,
    ],
    [
      'the key is a certificate',
      { key: ours.cert },
      /tls\.key is not valid: expected a private key .*; it holds a certificate .*swapped/,
    ],
    ['the authority is a key', { ca: ours.key }, /tls\.ca is not valid: .*it holds a private key/],
    [
      'the key is of another certificate',
      { key: foreign.key },
      /tls\.key is not the private key of the certificate in tls\.cert/,
    ],
    ['the certificate is no PEM', { cert: 'nothing' }, /tls\.cert is not valid: .*it holds no PEM/],
  ])('says which of its files is wrong: %s', (_name, wrong, message) => {
    expect(() => transport({ tls: { ...ours, ...wrong } })).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION', option: 'tls', message: expect.stringMatching(message) }),
    );
    // What is in the files.
    expect(() => transport({ tls: { ...ours, ...wrong } })).not.toThrow(/BEGIN|[A-Za-z0-9+/]{40}/);
  });

  it('reports when no host answers', async () => {
    const { address } = await host();
    await Promise.all(made.splice(0).map((one) => one.close()));
    await expect(transport({ tls: ours }).dial(address, 'control')).rejects.toMatchObject({ code: 'NODE_DOWN' });
  });

  it('cuts off garbage and silence, and disturbs no other connection', async () => {
    const { address } = await host({ tls: ours, handshakeTimeout: 500 });
    const good = await goodPeer(address);
    const [garbage, silence] = [new RawSocket(address), new RawSocket(address)];
    garbage.write(Buffer.from('HOFF or not, this is no TLS at all, and long enough to be sure of that'));
    await Promise.all([garbage.closed, silence.closed]);
    await good.check();
  });
});
