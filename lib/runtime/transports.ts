/** The transport and the heartbeats of this host, by its options. */
import { isLoopback, machineOf } from '../hosts/transport/tcp/address.ts';
import { NatsTransport } from '../hosts/transport/nats/nats-transport.ts';
import type { ConnectionRefused } from '../hosts/transport/tcp/options.ts';
import { TcpTransport } from '../hosts/transport/tcp/tcp-transport.ts';
import type { Identity, Transport } from '../hosts/transport/transport.ts';
import type { ResolvedTcpTransport, ResolvedTransport } from './options/transport-options.ts';

// Room for two batches per thread of a host, with values just below the size that is fetched separately.
const maxQueuedBytes = 2 ** 30;

/** @throws `INVALID_OPTION` when options do not fit together */
export function createTransport(
  options: ResolvedTransport,
  identity: Omit<Identity, 'address'>,
  onRefused: (refusal: ConnectionRefused) => void,
): Transport {
  const { host, port, secret, advertise, maxFrameBytes } = options;
  const common = { identity: () => identity, maxQueuedBytes, onRefused, host, port, secret, advertise, maxFrameBytes };
  if (options.type === 'tcp') return new TcpTransport({ ...common, tls: options.tls });
  const { servers, namespace, user, pass, token, nkey, creds, tls, bulk, joinTimeout, heartbeatTimeout } = options;
  return new NatsTransport({
    ...common,
    servers,
    namespace,
    user,
    pass,
    token,
    nkey,
    creds,
    tls,
    bulk,
    connectTimeout: Math.ceil(joinTimeout),
    // A server that hangs is noticed as soon as a host that hangs.
    pingInterval: Math.max(1, Math.ceil(heartbeatTimeout / 2)),
  });
}

/**
 * The local address from which heartbeats are sent: where this host listens, or any address that reaches the hosts it
 * joins. Undefined where hosts cannot reach each other directly.
 */
export function beaconHost(options: ResolvedTransport): string | undefined {
  if (options.type === 'nats') return options.bulk === 'broker' ? undefined : local(options.host);
  return tcpBeaconHost(options);
}

function tcpBeaconHost({ host, port, join, secret, tls }: ResolvedTcpTransport): string {
  if (port !== undefined || (secret === undefined && tls === undefined)) return local(host);
  const joined = join.map((address) => machineOf(address) ?? 'localhost');
  if (joined.every((each) => isLoopback(each))) return '127.0.0.1';
  return joined.some((each) => each.includes(':')) ? '::' : '0.0.0.0';
}

function local(host: string): string {
  return host === 'localhost' || host.startsWith('unix:') ? '127.0.0.1' : host;
}
