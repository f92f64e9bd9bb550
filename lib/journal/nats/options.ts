/** What a journal at NATS servers needs to know. */
import type { NatsConnection } from '@nats-io/transport-node';

/** A connection with NATS servers, of the transport or of the journal alone. */
export interface JournalConnection {
  readonly client: NatsConnection;
  /** Names the servers in texts. */
  readonly place: string;
  /** All subjects begin with it. */
  readonly namespace: string;
  /** The key of the hosts' secret; undefined without one. */
  readonly key: Buffer | undefined;
  /** Closes it, if it serves the journal alone. */
  close(): Promise<void>;
}

export interface NatsJournalSettings {
  /** How many servers of a cluster keep each record; undefined: three in a cluster, otherwise one. */
  readonly replicas: number | undefined;
  /** After this many ms without a sign of life, the runs of a process may be taken over. */
  readonly lease: number;
  /** For how many ms an operation is tried again while the servers cannot be reached. */
  readonly retryTimeout: number;
  readonly retain: { readonly runs: number; readonly ms: number };
}

/** Stands for the servers of the transport. */
export const natsOfTransport = 'nats:';

/** Whether a text is the address of a NATS server, or stands for those of the transport. */
export function isNatsUrl(text: string): boolean {
  return text === natsOfTransport || /^(?:nats|tls):\/\//.test(text);
}
