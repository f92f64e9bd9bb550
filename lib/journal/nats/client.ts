/** The packages that speak JetStream's protocol. They are optional, so they are loaded when they are needed. */
import { optionalPackage } from '../../core/optional-package.ts';

export type JetStreamPackage = typeof import('@nats-io/jetstream');
export type KvPackage = typeof import('@nats-io/kv');

const asker = { who: "journal { type: 'nats' }", option: 'journal' };

/** @throws `INVALID_OPTION` when a package is missing */
export async function loadClients(): Promise<{ readonly jetstream: JetStreamPackage; readonly kv: KvPackage }> {
  return {
    jetstream: await optionalPackage('@nats-io/jetstream', asker, () => import('@nats-io/jetstream')),
    kv: await optionalPackage('@nats-io/kv', asker, () => import('@nats-io/kv')),
  };
}
