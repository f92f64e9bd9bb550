/** A connection with the NATS servers, for what is no message between hosts. */
import type { NatsConnection } from '@nats-io/transport-node';
import { securityOf } from '../tcp/secure.ts';
import { Broker } from './broker.ts';
import { type NatsOptions, type NatsSettings, resolveNatsOptions } from './options.ts';

export interface SharedConnection {
  readonly client: NatsConnection;
  /** Names the servers in texts, without credentials. */
  readonly place: string;
  /** All subjects begin with it. */
  readonly namespace: string;
  /** The key of the hosts' secret; undefined without one. */
  readonly key: Buffer | undefined;
  /** Closes the connection, if it was made for the caller alone. */
  close(): Promise<void>;
}

/** Where no host has a transport over NATS. @throws like `Broker.connect` */
export async function connectAlone(options: Omit<NatsOptions, 'identity'>, where: string): Promise<SharedConnection> {
  const identity = (): never => {
    throw new Error('this connection belongs to no host, so it has no identity');
  };
  const settings = resolveNatsOptions({ ...options, identity }, where);
  const broker = await Broker.connect(settings, { lost() {}, back() {} }, new AbortController().signal);
  return share(broker, settings, () => broker.close());
}

export async function share(
  broker: Broker,
  { servers, namespace, secret }: NatsSettings,
  close: () => Promise<void>,
): Promise<SharedConnection> {
  const security = await securityOf({ secret, tls: undefined });
  return {
    client: broker.client,
    place: servers.map(({ host }) => host).join(', '),
    namespace,
    key: security.kind === 'secret' ? security.key : undefined,
    close,
  };
}
