/** How hosts and a NATS server prove themselves to each other, and what hosts may do there. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { connect, type NatsConnection, nkeys } from '@nats-io/transport-node';
import { afterAll, afterEach, expect, it } from 'vitest';
import { NatsTransport } from '../../../lib/hosts/transport/nats/nats-transport.ts';
import type { NatsOptions } from '../../../lib/hosts/transport/nats/options.ts';
import { Packet, encodeRequest, packet, packetVersion } from '../../../lib/hosts/transport/nats/packet.ts';
import type { ConnectionRefused } from '../../../lib/hosts/transport/tcp/options.ts';
import type { Channel } from '../../../lib/hosts/transport/transport.ts';
import { describeNats, NatsServer } from '../../support/nats-server.ts';
import { foreign, ours, server as serverTls } from './certificates.ts';
import { echo, framesOf, ping } from './support.ts';

const base64 = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

type Signer = ReturnType<typeof nkeys.createUser>;

/** A token as NATS wants it, signed by a key. */
function jwt(signer: Signer, subject: Signer, name: string, nats: object): string {
  const claims = { jti: name, iat: 1_700_000_000, iss: signer.getPublicKey(), sub: subject.getPublicKey(), name, nats };
  const signed = `${base64({ typ: 'JWT', alg: 'ed25519-nkey' })}.${base64(claims)}`;
  return `${signed}.${Buffer.from(signer.sign(Buffer.from(signed))).toString('base64url')}`;
}

describeNats('a NATS server', () => {
  const folder = mkdtempSync(join(tmpdir(), 'handoff-nats-security-'));
  const closing: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const close of closing.splice(0).toReversed()) await close();
  });
  const file = (name: string, content: string): string => {
    const path = join(folder, name);
    writeFileSync(path, content);
    return path;
  };

  const serve = async (config = ''): Promise<NatsServer> => {
    const server = await NatsServer.start(config);
    closing.push(() => server.stop());
    return server;
  };
  const transport = (id: string, options: Omit<NatsOptions, 'identity'>): NatsTransport => {
    const created = new NatsTransport({ connectTimeout: 10, ...options, identity: () => ({ id, incarnation: 0 }) });
    closing.push(() => created.close());
    return created;
  };

  /** Two hosts that find each other and exchange something, in both directions. */
  const meet = async (options: Omit<NatsOptions, 'identity'>): Promise<void> => {
    const [a, b] = [transport('a', options), transport('b', options)];
    const addresses: string[] = [];
    await a.listen(echo);
    await b.listen(echo);
    await a.discover((host) => addresses.push(host));
    expect(await b.discover((host) => addresses.push(host))).toBe(true);
    const address = addresses.find((host) => host.startsWith('a '))!.split(' ')[1]!;
    const channel = await b.dial(address, 'control');
    await ping(channel, framesOf(channel));
  };
  const errorOf = (promise: Promise<unknown>): Promise<any> =>
    promise.then(
      () => expect.fail('it was not refused'),
      (error: unknown) => error,
    );

  const [nkey, stranger] = [nkeys.createUser(), nkeys.createUser()];
  const seedOf = (key: Signer): string => Buffer.from(key.getSeed()).toString();
  const [operator, account, user] = [nkeys.createOperator(), nkeys.createAccount(), nkeys.createUser()];
  const credsOf = (key: Signer): string =>
    `-----BEGIN NATS USER JWT-----\n${jwt(account, key, 'user', { type: 'user', version: 2, subs: -1, data: -1, payload: -1 })}\n------END NATS USER JWT------\n\n` +
    `-----BEGIN USER NKEY SEED-----\n${seedOf(user)}\n------END USER NKEY SEED------\n`;
  const unlimited = { subs: -1, data: -1, payload: -1, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1 };
  const trusted =
    `operator: "${jwt(operator, operator, 'operator', { type: 'operator', version: 2 })}"\nresolver: MEMORY\n` +
    `resolver_preload { ${account.getPublicKey()}: "${jwt(operator, account, 'account', { type: 'account', version: 2, limits: unlimited })}" }`;

  it.each<[string, string, Omit<NatsOptions, 'identity' | 'servers'>, Omit<NatsOptions, 'identity' | 'servers'>]>([
    [
      'user and password',
      'authorization { user: host, password: "pass-word-1" }',
      { user: 'host', pass: 'pass-word-1' },
      { user: 'host', pass: 'pass-word-2' },
    ],
    ['a token', 'authorization { token: "token-1-secret" }', { token: 'token-1-secret' }, { token: 'token-2-secret' }],
    [
      'an nkey',
      `authorization { users: [{ nkey: ${nkey.getPublicKey()} }] }`,
      { nkey: seedOf(nkey) },
      { nkey: seedOf(stranger) },
    ],
    ['credentials', trusted, { creds: credsOf(user) }, { creds: credsOf(stranger) }],
  ])('lets hosts in by %s, and says who is refused', async (_name, config, right, wrong) => {
    const servers = (await serve(config)).url;
    await meet({ servers, ...right });
    for (const options of [wrong, {}]) {
      const refused = transport('c', { servers, ...options });
      const error = await errorOf(refused.listen(echo));
      expect(error).toMatchObject({ code: 'UNAUTHORIZED', message: expect.stringContaining('refuses this host') });
      const shown = inspect(error, { depth: 9 }) + inspect(refused, { depth: 9 });
      for (const value of Object.values(wrong).filter((each) => each !== 'host'))
        expect(shown).not.toContain(String(value).slice(0, 40));
    }
  });

  it('proves itself by its certificate, and hosts by theirs', async () => {
    const paths = `cert_file: "${file('server.pem', serverTls.cert)}", key_file: "${file('server-key.pem', serverTls.key)}"`;
    const authority = file('ca.pem', ours.ca as string);
    const servers = (await serve(`tls { ${paths}, ca_file: "${authority}", verify: true }`)).url;
    const { cert, key } = ours;
    await meet({ servers, tls: { ca: serverTls.ca, cert, key } });
    // A server that refuses a certificate only ends the connection, in TLS 1.3.
    for (const tls of [{ ca: serverTls.ca }, { ca: serverTls.ca, cert: foreign.cert, key: foreign.key }])
      expect(await errorOf(transport('c', { servers, tls, handshakeTimeout: 500 }).listen(echo))).toMatchObject({
        code: 'NODE_DOWN',
        message: expect.stringContaining('set tls: { cert, key }'),
      });
    // The server's authority is another one, or none of the public ones.
    for (const tls of [
      { ca: ours.ca, cert, key },
      { cert, key },
    ])
      expect(await errorOf(transport('c', { servers, tls }).listen(echo))).toMatchObject({ code: 'UNAUTHORIZED' });
    expect(await errorOf(transport('c', { servers }).listen(echo))).toMatchObject({ code: 'UNAUTHORIZED' });
  });

  it('must have a certificate for the name that hosts use', async () => {
    const paths = `cert_file: "${file('ours.pem', ours.cert as string)}", key_file: "${file('ours-key.pem', ours.key as string)}"`;
    const servers = (await serve(`tls { ${paths} }`)).url;
    const error = await errorOf(transport('c', { servers, tls: { ca: ours.ca } }).listen(echo));
    expect(error).toMatchObject({ code: 'UNAUTHORIZED', message: expect.stringContaining('cannot agree on TLS') });
  });

  it('without TLS is refused by hosts that require it', async () => {
    const { port } = await serve();
    for (const options of [
      { servers: `tls://127.0.0.1:${port}` },
      { servers: `127.0.0.1:${port}`, tls: true as const },
    ])
      expect(await errorOf(transport('c', options).listen(echo))).toMatchObject({
        code: 'UNAUTHORIZED',
        message: expect.stringContaining('does not use TLS'),
      });
  });

  it('needs to allow the subjects of the namespace, and no others', async () => {
    const permit = (subjects: string): string =>
      `authorization { users: [{ user: host, password: p, permissions: { publish: ${subjects}, subscribe: ${subjects} } }] }`;
    const options = { user: 'host', pass: 'p', namespace: 'team.x' };
    await meet({ servers: (await serve(permit('"team.x.>"'))).url, ...options });
    for (const subjects of ['"team.y.>"', '["team.x.to.>", "team.x.host.>"]']) {
      const refused = transport('c', { servers: (await serve(permit(subjects))).url, ...options });
      const error = await errorOf(refused.listen(echo).then(() => refused.discover(() => undefined)));
      expect(error).toMatchObject({ code: 'UNAUTHORIZED', message: expect.stringContaining('team.x.') });
    }
  });

  it('cannot be used without the optional package, and the error says what to install', () => {
    const hook = file(
      'hook.mjs',
      `import { registerHooks } from 'node:module';
       registerHooks({ resolve(name, context, next) {
         if (name.startsWith('@nats-io/')) throw Object.assign(new Error('missing'), { code: 'ERR_MODULE_NOT_FOUND' });
         return next(name, context);
       } });`,
    );
    const library = new URL('../../../lib/index.ts', import.meta.url).href;
    const program = file(
      'program.mjs',
      `import { Handoff } from '${library}';
       const error = await Handoff.start({ transport: { type: 'nats', servers: '127.0.0.1' } }).catch((cause) => cause);
       console.log(error.code, error.message);`,
    );
    const { stdout, signal } = spawnSync(process.execPath, ['--import', hook, program], {
      encoding: 'utf8',
      timeout: 60_000,
    });
    expect(signal).toBeNull(); // nothing keeps the process alive
    expect(stdout).toContain('INVALID_OPTION');
    expect(stdout).toContain('npm install @nats-io/transport-node');
  });

  it('is followed by direct connections for large data where a host can be reached, and not where it cannot', async () => {
    const servers = (await serve()).url;
    const listen = async (id: string, options: Partial<NatsOptions> = {}) => {
      const created = transport(id, { servers, ...options });
      const channels: Channel[] = [];
      return { created, channels, address: await created.listen((channel) => void channels.push(channel)) };
    };
    const [near, far, deaf] = [await listen('near'), await listen('far'), await listen('deaf', { bulk: 'broker' })];
    const control = await near.created.dial(far.address, 'control');
    const direct = await near.created.dial(far.address, 'bulk');
    expect(direct).toMatchObject({ kind: 'bulk', peer: { id: 'far', address: control.peer.direct } });
    await near.created.dial(deaf.address, 'control');
    expect(await near.created.dial(deaf.address, 'bulk')).toMatchObject({
      peer: { id: 'deaf', address: deaf.address },
    });

    const strict = await listen('strict', { bulk: 'direct' });
    await strict.created.dial(deaf.address, 'control');
    expect(await errorOf(strict.created.dial(deaf.address, 'bulk'))).toMatchObject({
      code: 'NODE_DOWN',
      message: expect.stringContaining("bulk: 'auto'"),
    });
  });

  it('carries messages of any client, and hosts with a secret accept none of them', async () => {
    const server = await serve();
    const secret = 'open sesame, long and random';
    const refusals: ConnectionRefused[] = [];
    const host = transport('host', {
      servers: server.url,
      secret,
      handshakeTimeout: 2000,
      onRefused: (refusal) => refusals.push(refusal),
    });
    const channels: Channel[] = [];
    const isThere = Promise.withResolvers<void>();
    const address = await host.listen((channel) => {
      channels.push(channel);
      isThere.resolve();
    });
    await host.discover(() => undefined);
    const client: NatsConnection = await connect({ servers: server.url });
    closing.push(() => client.close());
    const door = `handoff.host.${address.slice('nats:'.length)}`;
    const answers: Uint8Array[] = [];
    client.subscribe('handoff.to.attacker.1', { callback: (_, { data }) => void answers.push(data) });
    const opening = { version: packetVersion, hasSecret: true, window: 1_000_000 };
    // Not ours, malformed, to subjects that are no connections, and well-formed but without the proof.
    client.publish(door, Buffer.from('hello'), { reply: 'handoff.to.attacker.1' });
    client.publish(door, encodeRequest(opening), { reply: '$JS.API.INFO' });
    client.publish(door, encodeRequest({ ...opening, hasSecret: false }), { reply: 'handoff.to.attacker.1' });
    client.publish(door, encodeRequest({ ...opening, version: 99 }), { reply: 'handoff.to.attacker.1' });
    client.publish(door, encodeRequest(opening), { reply: 'handoff.to.attacker.1' });
    client.publish('handoff.up', Buffer.from('handoff nats:x y z'));
    client.publish('handoff.who', Buffer.alloc(5000), { reply: '$SYS.REQ.SERVER.PING' });
    await client.flush();
    // The accepted one is connection 1 of the host.
    client.publish(`handoff.to.${address.slice(5)}.1`, packet(Packet.data, 0, Buffer.from('HOFF not TLS')), {
      reply: 'handoff.to.attacker.1',
    });
    await client.flush();
    const peer = transport('peer', { servers: server.url, secret });
    await peer.listen(echo);
    await peer.dial(address, 'control');
    await isThere.promise;
    expect(channels.map((channel) => channel.peer.id)).toEqual(['peer']);
    expect(answers.map((data) => data[0])).toContain(Packet.refuse);
    expect(new Set(refusals.map(({ error }) => error.code))).toEqual(new Set(['UNAUTHORIZED', 'VERSION_MISMATCH']));
  });

  afterAll(() => rmSync(folder, { recursive: true, force: true }));
});
