/**
 * The journal of specs of durable runs. `HANDOFF_SPEC_JOURNAL` says where it is: `sqlite` (the default), `postgres` or
 * `nats`.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { JournalOptions } from '../../lib/index.ts';
import { sharedNats } from './nats-server-process.ts';
import { sharedPostgres } from './postgres/shared.ts';

export const journalKind = process.env['HANDOFF_SPEC_JOURNAL'] ?? 'sqlite';

/** The options of the journal that belongs to a folder. */
export async function journalOf(folder: string): Promise<Exclude<JournalOptions, { readonly owner: string }>> {
  const name = `spec_${createHash('sha256').update(folder).digest('hex').slice(0, 12)}`;
  if (journalKind === 'postgres') return { type: 'postgres', url: await sharedPostgres(), schema: name };
  if (journalKind === 'nats') return { type: 'nats', servers: await sharedNats(), namespace: name, replicas: 1 };
  return { type: 'sqlite', path: join(folder, 'journal') };
}
