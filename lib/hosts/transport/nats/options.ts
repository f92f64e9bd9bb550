/** The options of a NATS transport, and their checked form. */
import { hostname } from 'node:os';
import type * as v from 'valibot';
import { HandoffError } from '../../../core/errors.ts';
import { callback, whole } from '../../../core/option-types.ts';
import { option, optionSet, parseOptions, required } from '../../../core/options.ts';
import { isLoopback } from '../tcp/address.ts';
import type { ConnectionRefused, TcpOptions } from '../tcp/options.ts';
import { tcpOptions } from '../tcp/schema.ts';
import { type NatsTlsOptions, natsOptions, serverOf } from './schema.ts';

export const natsSchema = optionSet({
  ...natsOptions,
  secret: tcpOptions.secret,
  host: tcpOptions.host,
  port: tcpOptions.port,
  advertise: tcpOptions.advertise,
  maxFrameBytes: tcpOptions.maxFrameBytes,
  identity: required(callback<TcpOptions['identity']>(), { description: 'Returns the identity of this host.' }),
  connectTimeout: option(whole({ unit: 'ms' }), {
    description: 'How long to try to reach a server at the start',
    default: 5000,
  }),
  handshakeTimeout: option(whole({ unit: 'ms', min: 1, max: 2 ** 31 - 1 }), {
    description: 'The time from connecting until a peer has proved itself',
    default: 4000,
  }),
  pingInterval: option(whole({ unit: 'ms', min: 1, max: 2 ** 31 - 1 }), {
    description: 'The time between checks whether the server answers',
    default: 2000,
  }),
  announceInterval: option(whole({ unit: 'ms', min: 1, max: 2 ** 31 - 1 }), {
    description: 'The time between announcements of this host',
    default: 10_000,
  }),
  maxQueuedBytes: option(whole({ unit: 'bytes', min: 1 }), {
    description: 'Bytes that may wait for a peer that takes nothing, before the connection is closed',
    default: 256 * 1024 * 1024,
  }),
  onRefused: option(callback<(refusal: ConnectionRefused) => void>(), {
    description: 'Called when this host and another refuse each other, with the reason.',
  }),
});

export type NatsOptions = v.InferInput<typeof natsSchema>;

type Parsed = v.InferOutput<typeof natsSchema>;

export interface NatsSettings extends Omit<Parsed, 'servers' | 'secret' | 'tls'> {
  readonly servers: readonly { readonly host: string; readonly isTls: boolean }[];
  /** Empty without a secret. */
  readonly secret: string;
  readonly tls: true | NatsTlsOptions | undefined;
  /** The name of this host in the listings of the server. */
  readonly name: string;
}

/** @throws `INVALID_OPTION` */
export function resolveNatsOptions(given: NatsOptions, where = 'NatsTransport'): NatsSettings {
  const { servers, ...settings } = parseOptions(where, natsSchema, given);
  const { user, pass, token, nkey, creds, secret } = settings;
  const parsed = [servers].flat().map((each) => serverOf(each)!);
  const tls = settings.tls ?? (parsed.some(({ isTls }) => isTls) ? true : undefined);
  const ways = Object.entries({ user, token, nkey, creds }).filter(([, value]) => value !== undefined);
  if (ways.length > 1)
    throw new HandoffError(
      'INVALID_OPTION',
      `${where}: a host proves itself to the server in one way, but ${ways.map(([name]) => name).join(' and ')} are given. Choose one`,
      { option: ways[1]![0] },
    );
  if (pass !== undefined && user === undefined)
    throw new HandoffError('INVALID_OPTION', `${where}: option pass needs option user, which is missing`, {
      option: 'pass',
    });
  const isProven = ways.length > 0 || (typeof tls === 'object' && tls.cert !== undefined);
  const away = parsed.find(({ host }) => !isLoopback(host.replace(/:\d+$/, '').replace(/^\[|\]$/g, '')));
  if (secret === undefined && !isProven && away !== undefined)
    throw new HandoffError(
      'INVALID_OPTION',
      `${where}: the server at ${away.host} can be reached by other machines, so it requires a secret or credentials: ` +
        'without them, anyone who can reach the server could run code here. ' +
        'Set secret, or user and pass, token, nkey, creds, or tls with cert and key',
      { option: 'secret' },
    );
  return {
    ...settings,
    servers: parsed,
    secret: secret ?? '',
    tls,
    name: `handoff ${hostname()} ${process.pid}`,
  };
}
