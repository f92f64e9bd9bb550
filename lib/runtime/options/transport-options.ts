/** The option `transport`: how to reach other hosts. */
import type * as v from 'valibot';
import { HandoffError } from '../../core/errors.ts';
import { milliseconds, oneOf, portNumber, positiveMilliseconds, special, text } from '../../core/option-types.ts';
import { aboutOf, invalidOption, option, type Options, optionSet, parseOptions, required } from '../../core/options.ts';
import { natsOptions, type NatsTlsOptions } from '../../hosts/transport/nats/schema.ts';
import { parseAddress, unixPath } from '../../hosts/transport/tcp/address.ts';
import { tcpOptions, type TlsOptions } from '../../hosts/transport/tcp/schema.ts';
import { isSecret, minSecretChars, secretExpected } from '../../hosts/transport/tcp/secret.ts';
import { natsFromEnvironment, tcpFromEnvironment } from './transport-environment.ts';

/** What a transport to other hosts takes, whatever carries the messages. */
export interface CommonTransportOptions {
  /**
   * The address at which others reach this host, if it differs from where it listens. Default: where it listens.
   * Environment: `HANDOFF_ADVERTISE`.
   */
  readonly advertise?: string | undefined;
  /**
   * The maximum frame size, at least 1024, in bytes. Two hosts use the smaller of theirs. Messages and results may be
   * larger than a frame. Default 16 MiB.
   */
  readonly maxFrameBytes?: number | undefined;
  /** Time between heartbeats, in ms. Default 1,000 ms. */
  readonly heartbeatInterval?: number | undefined;
  /** Silence after which a host is considered lost, in ms. Default: five heartbeat intervals. */
  readonly heartbeatTimeout?: number | undefined;
  /**
   * How long a lost host may take to reconnect, in ms. Functions that only it can run wait. It is also how long the
   * main thread of a host may be busy while its process sends heartbeats. 0: no waiting. Default 30,000 ms.
   */
  readonly reconnectTimeout?: number | undefined;
  /** How long `Handoff.start` tries to join, in ms. Default 5,000 ms. */
  readonly joinTimeout?: number | undefined;
  /**
   * How long `stop` waits for other hosts to finish their functions here and fetch their results, in ms. Default 30,000
   * ms.
   */
  readonly drainTimeout?: number | undefined;
  /**
   * The folder that contains the modules of functions, with the same relative paths on all hosts. Default: the working
   * directory. Environment: `HANDOFF_ROOT`.
   */
  readonly root?: string | undefined;
}

export interface TcpTransportOptions extends CommonTransportOptions {
  /** `'tcp'`. */
  readonly type: 'tcp';
  /**
   * The address to listen on; `'unix:/path'` is a Unix socket with mode 0600, which only you can open. Every user of
   * this machine can reach the default: without a `secret` each of them can run code as you. Addresses that other
   * machines can reach need a `secret`. Default `'127.0.0.1'`. Environment: `HANDOFF_HOST`.
   */
  readonly host?: string | undefined;
  /**
   * The port to listen on; 0: any free port. Not allowed with a Unix socket. Default: 0, or no listening if `join` is
   * given. Environment: `HANDOFF_PORT`.
   */
  readonly port?: number | undefined;
  /**
   * Addresses of cluster members, as `host:port` or `unix:/path`; one is enough to find all others. Default: none.
   * Environment: `HANDOFF_JOIN`.
   */
  readonly join?: readonly string[] | undefined;
  /**
   * A secret shared by all hosts of the cluster: long and random, at least 16 characters. It is the TLS key between
   * hosts, so traffic is encrypted. Not used on Unix sockets. Environment: `HANDOFF_SECRET`, `HANDOFF_SECRET_FILE`.
   */
  readonly secret?: string | undefined;
  /**
   * Mutual TLS: each host proves itself with a certificate signed by `ca`; `{ cert, key, ca }`, each PEM. With a
   * `secret`, hosts prove both. Not used on Unix sockets. Environment: `HANDOFF_TLS_CERT`, `HANDOFF_TLS_KEY`,
   * `HANDOFF_TLS_CA`.
   */
  readonly tls?: TlsOptions | undefined;
}

export interface NatsTransportOptions extends CommonTransportOptions {
  /** `'nats'`. */
  readonly type: 'nats';
  /**
   * The NATS servers, as `nats://HOST:PORT` or `tls://HOST:PORT`; one of a cluster is enough. Default: required.
   * Environment: `HANDOFF_NATS`.
   */
  readonly servers?: string | readonly string[] | undefined;
  /**
   * Hosts of one namespace find each other; all subjects begin with it. Default `'handoff'`. Environment:
   * `HANDOFF_NATS_NAMESPACE`.
   */
  readonly namespace?: string | undefined;
  /** The user at the server. Environment: `HANDOFF_NATS_USER`. */
  readonly user?: string | undefined;
  /** The password of `user`. Environment: `HANDOFF_NATS_PASS`, `HANDOFF_NATS_PASS_FILE`. */
  readonly pass?: string | undefined;
  /** The token that the server asks for. Environment: `HANDOFF_NATS_TOKEN`, `HANDOFF_NATS_TOKEN_FILE`. */
  readonly token?: string | undefined;
  /** The seed of an nkey, which begins with `SU`. Environment: `HANDOFF_NATS_NKEY`. */
  readonly nkey?: string | Buffer | undefined;
  /** Credentials: a JWT and its nkey, the content of a `.creds` file. Environment: `HANDOFF_NATS_CREDS`. */
  readonly creds?: string | Buffer | undefined;
  /**
   * TLS with the server: `true`, or `{ ca, cert, key }`, each PEM. `ca` replaces the public authorities; `cert` and
   * `key` prove this host. A server that asks for TLS gets it also without this option. Environment: `HANDOFF_NATS_CA`,
   * `HANDOFF_NATS_CERT`, `HANDOFF_NATS_KEY`.
   */
  readonly tls?: true | NatsTlsOptions | undefined;
  /**
   * A secret shared by all hosts of the cluster: long and random, at least 16 characters. Hosts prove it to each other,
   * and encrypt what they send, so that the right to publish at the server is not enough to run code. Required if other
   * machines can reach the server and hosts do not prove themselves to it. Environment: `HANDOFF_SECRET`,
   * `HANDOFF_SECRET_FILE`.
   */
  readonly secret?: string | undefined;
  /**
   * How large results travel: `'direct'`: over TCP from host to host; `'broker'`: through the broker; `'auto'`:
   * directly where a host can be reached. Default `'auto'`.
   */
  readonly bulk?: 'auto' | 'direct' | 'broker' | undefined;
  /**
   * The address to listen on for large results and heartbeats, unless `bulk` is `broker`. Addresses that other machines
   * can reach need a `secret`. Default `'127.0.0.1'`. Environment: `HANDOFF_HOST`.
   */
  readonly host?: string | undefined;
  /** The port for it. With 0, the system chooses a free one. Default 0. Environment: `HANDOFF_PORT`. */
  readonly port?: number | undefined;
}

export type TransportOptions = TcpTransportOptions | NatsTransportOptions;

const address = "a list of 'host:port' or 'unix:/path'";

const common = {
  heartbeatInterval: option(positiveMilliseconds, { description: 'Time between heartbeats', default: 1000 }),
  heartbeatTimeout: option(positiveMilliseconds, {
    description: 'Silence after which a host is considered lost',
    otherwise: 'five heartbeat intervals',
  }),
  reconnectTimeout: option(milliseconds, {
    description: 'How long a lost host may take to reconnect',
    details:
      'Functions that only it can run wait. It is also how long the main thread of a host may be busy while its process sends heartbeats. 0: no waiting.',
    default: 30_000,
  }),
  joinTimeout: option(milliseconds, { description: 'How long `Handoff.start` tries to join', default: 5000 }),
  drainTimeout: option(milliseconds, {
    description: 'How long `stop` waits for other hosts to finish their functions here and fetch their results',
    default: 30_000,
  }),
  root: option(text(), {
    description: 'The folder that contains the modules of functions, with the same relative paths on all hosts.',
    otherwise: 'the working directory',
    environment: ['HANDOFF_ROOT'],
    flags: ['--root'],
  }),
};

export const tcpTransportSchema = optionSet(
  {
    type: required(oneOf('tcp'), { description: "`'tcp'`." }),
    host: tcpOptions.host,
    port: tcpOptions.port,
    join: option(
      special<readonly string[]>(
        (value) =>
          Array.isArray(value) && value.every((each) => typeof each === 'string' && parseAddress(each) !== undefined),
        address,
      ),
      {
        description: 'Addresses of cluster members, as `host:port` or `unix:/path`; one is enough to find all others.',
        otherwise: 'none',
        default: [],
        environment: ['HANDOFF_JOIN'],
        flags: ['--join'],
      },
    ),
    secret: tcpOptions.secret,
    tls: tcpOptions.tls,
    advertise: tcpOptions.advertise,
    maxFrameBytes: tcpOptions.maxFrameBytes,
    ...common,
  },
  "{ type: 'tcp', … }",
);

export const natsTransportSchema = optionSet(
  {
    type: required(oneOf('nats'), { description: "`'nats'`." }),
    ...natsOptions,
    servers: option(natsOptions.servers, { ...aboutOf(natsOptions.servers), otherwise: 'required' }),
    secret: option(text(secretExpected, isSecret), {
      description: `A secret shared by all hosts of the cluster: long and random, at least ${minSecretChars} characters.`,
      details:
        'Hosts prove it to each other, and encrypt what they send, so that the right to publish at the server is not enough to run code. Required if other machines can reach the server and hosts do not prove themselves to it.',
      environment: ['HANDOFF_SECRET', 'HANDOFF_SECRET_FILE'],
      flags: ['--secret-file'],
      isSecret: true,
    }),
    host: option(
      text('a host name or an IP address', (host) => host !== '' && !host.startsWith('unix:')),
      {
        description: 'The address to listen on for large results and heartbeats, unless `bulk` is `broker`.',
        details: 'Addresses that other machines can reach need a `secret`.',
        default: '127.0.0.1',
        environment: ['HANDOFF_HOST'],
        flags: ['--listen'],
      },
    ),
    port: option(portNumber, {
      description: 'The port for it. With 0, the system chooses a free one.',
      default: 0,
      environment: ['HANDOFF_PORT'],
      flags: ['--listen'],
    }),
    advertise: tcpOptions.advertise,
    maxFrameBytes: tcpOptions.maxFrameBytes,
    ...common,
  },
  "{ type: 'nats', servers, … }",
);

interface Resolved {
  /** Addresses of hosts to join; none where hosts find each other. */
  readonly join: readonly string[];
  readonly heartbeatTimeout: number;
  readonly root: string;
}

export type ResolvedTcpTransport = Omit<v.InferOutput<typeof tcpTransportSchema>, keyof Resolved> & Resolved;

export type ResolvedNatsTransport = Omit<v.InferOutput<typeof natsTransportSchema>, keyof Resolved | 'servers'> &
  Resolved & { readonly servers: string | readonly string[] };

export type ResolvedTransport = ResolvedTcpTransport | ResolvedNatsTransport;

const where = 'Handoff.start: transport';

/**
 * What was given, then what the environment says, then defaults.
 *
 * @throws `INVALID_OPTION`
 */
export function resolveTransport(given: TransportOptions, env: NodeJS.ProcessEnv = process.env): ResolvedTransport {
  const type: unknown = given.type;
  if (type !== 'tcp' && type !== 'nats') throw invalidOption(where, 'type', "'tcp' or 'nats'", type);
  return type === 'tcp'
    ? resolveTcp(given as TcpTransportOptions, env)
    : resolveNats(given as NatsTransportOptions, env);
}

function resolveTcp(given: TcpTransportOptions, env: NodeJS.ProcessEnv): ResolvedTcpTransport {
  const { all, resolved } = merged(tcpTransportSchema, given, tcpFromEnvironment(env));
  const { join } = resolved;
  const isUnix = unixPath(resolved.host) !== undefined;
  if (isUnix && all.port !== undefined)
    throw invalidOption(where, 'port', `left out, because host '${resolved.host}' is a Unix socket`, all.port);
  const listening = join.length > 0 || isUnix ? undefined : 0;
  return { ...resolved, ...times(resolved), port: resolved.port ?? listening, root: resolved.root ?? process.cwd() };
}

function resolveNats(given: NatsTransportOptions, env: NodeJS.ProcessEnv): ResolvedNatsTransport {
  const { resolved } = merged(natsTransportSchema, given, natsFromEnvironment(env));
  const { servers } = resolved;
  if (servers === undefined)
    throw new HandoffError(
      'INVALID_OPTION',
      `${where}: option servers is missing. Set it, such as to 'nats://127.0.0.1:4222', or HANDOFF_NATS`,
      { option: 'servers' },
    );
  return { ...resolved, ...times(resolved), servers, join: [], root: resolved.root ?? process.cwd() };
}

function merged<Entries extends v.ObjectEntries, Given extends object>(
  schema: Options<Entries>,
  given: Given,
  environment: Partial<Given>,
): { readonly all: Given; readonly resolved: v.InferOutput<Options<Entries>> } {
  parseOptions(where, schema, given);
  const all = { ...environment, ...withoutUndefined(given) };
  return { all, resolved: parseOptions(`${where} (from HANDOFF_ variables)`, schema, all) };
}

function times({
  heartbeatInterval,
  heartbeatTimeout = 5 * heartbeatInterval,
}: {
  readonly heartbeatInterval: number;
  readonly heartbeatTimeout?: number | undefined;
}): { readonly heartbeatTimeout: number } {
  if (heartbeatTimeout > heartbeatInterval) return { heartbeatTimeout };
  throw invalidOption(where, 'heartbeatTimeout', `more than heartbeatInterval, ${heartbeatInterval}`, heartbeatTimeout);
}

function withoutUndefined<Given extends object>(options: Given): Given {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Given;
}
