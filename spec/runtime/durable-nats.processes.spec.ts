/** Processes that share a journal at a NATS server. */
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { Names } from '../../lib/journal/nats/names.ts';
import { resolveJournal } from '../../lib/runtime/options/journal-options.ts';
import { describeNats, jetStream, NatsServer, sharedNats } from '../support/nats-server.ts';
import { describeSharedJournal } from './shared-journal.ts';

describeNats('a NATS journal', () => {
  describeSharedJournal({
    url: sharedNats,
    startServer: () => NatsServer.start(jetStream),
    journal: (servers, namespace) => ({ type: 'nats', servers, namespace, replicas: 1, lease: 3000 }),
    open: (options) => resolveJournal(options).open(),
    async drop(servers, namespace) {
      const client = await connect({ servers });
      const { streams } = await jetstreamManager(client);
      const { log, blobs, leases } = new Names(namespace);
      for (const name of [log, blobs, `KV_${leases}`]) await streams.delete(name).catch(() => {});
      await client.close();
    },
  });
});
