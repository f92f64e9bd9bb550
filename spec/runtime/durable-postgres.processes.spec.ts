/** Processes that share a PostgreSQL journal. */
import { Client } from 'pg';
import { resolveJournal } from '../../lib/runtime/options/journal-options.ts';
import { PostgresServer } from '../support/postgres/server.ts';
import { describePostgres, sharedPostgres } from '../support/postgres/shared.ts';
import { describeSharedJournal } from './shared-journal.ts';

describePostgres('a PostgreSQL journal', () => {
  describeSharedJournal({
    url: sharedPostgres,
    async startServer() {
      const server = await PostgresServer.start();
      return {
        url: server.url,
        kill: () => server.kill('SIGQUIT'),
        restart: () => server.restart(),
        stop: () => server.stop(),
      };
    },
    journal: (url, schema) => ({ type: 'postgres', url, schema, lease: 3000 }),
    open: (options) => resolveJournal(options).open(),
    async drop(url, schema) {
      const client = new Client(url);
      await client.connect();
      await client.query(`DROP SCHEMA IF EXISTS "${schema}" CASCADE`);
      await client.end();
    },
  });
});
