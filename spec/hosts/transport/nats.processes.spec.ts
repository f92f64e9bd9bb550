import { afterAll, beforeAll } from 'vitest';
import { NatsTransport } from '../../../lib/hosts/transport/nats/nats-transport.ts';
import { describeNats, NatsServer } from '../../support/nats-server.ts';
import { transportContract } from './contract.ts';

describeNats('over a NATS server', () => {
  let server: NatsServer;
  beforeAll(async () => {
    server = await NatsServer.start();
  });
  afterAll(() => server.stop());

  transportContract(
    'the NATS transport, with bulk through the broker',
    (identity) => new NatsTransport({ servers: server.url, identity: () => identity, bulk: 'broker' }),
  );
  transportContract(
    'the NATS transport, with direct bulk',
    (identity) => new NatsTransport({ servers: server.url, identity: () => identity }),
  );
  transportContract(
    'the NATS transport, with a secret',
    (identity) =>
      new NatsTransport({
        servers: server.url,
        identity: () => identity,
        bulk: 'broker',
        secret: 'open sesame, long and random',
      }),
  );
});
