/** The option `transport`: how to reach other hosts. */
import { readFileSync } from 'node:fs';
import type * as v from 'valibot';
import { HandoffError } from '../../core/errors.ts';
import { milliseconds, oneOf, positiveMilliseconds, special, text } from '../../core/option-types.ts';
import { invalidOption, option, optionSet, parseOptions, required } from '../../core/options.ts';
import { parseAddress, unixPath } from '../../hosts/transport/tcp/address.ts';
import { tcpOptions, type TlsOptions } from '../../hosts/transport/tcp/schema.ts';

export interface TransportOptions {
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

const address = "a list of 'host:port' or 'unix:/path'";

export const transportSchema = optionSet(
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
  },
  "{ type: 'tcp', … }",
);

export type ResolvedTransport = v.InferOutput<typeof transportSchema> & {
  readonly heartbeatTimeout: number;
  readonly root: string;
};

/**
 * What was given, then what the environment says, then defaults.
 *
 * @throws `INVALID_OPTION`
 */
export function resolveTransport(given: TransportOptions, env: NodeJS.ProcessEnv = process.env): ResolvedTransport {
  const where = 'Handoff.start: transport';
  parseOptions(where, transportSchema, given);
  const environment = fromEnvironment(env);
  const all = { ...environment, ...withoutUndefined(given) };
  const resolved = parseOptions(`${where} (from HANDOFF_ variables)`, transportSchema, all);
  const { join, heartbeatInterval, heartbeatTimeout = 5 * heartbeatInterval } = resolved;
  const isUnix = unixPath(resolved.host) !== undefined;
  if (isUnix && all.port !== undefined)
    throw invalidOption(where, 'port', `left out, because host '${resolved.host}' is a Unix socket`, all.port);
  if (heartbeatTimeout <= heartbeatInterval)
    throw invalidOption(
      where,
      'heartbeatTimeout',
      `more than heartbeatInterval, ${heartbeatInterval}`,
      heartbeatTimeout,
    );
  const listening = join.length > 0 || isUnix ? undefined : 0;
  return { ...resolved, heartbeatTimeout, port: resolved.port ?? listening, root: resolved.root ?? process.cwd() };
}

function fromEnvironment(env: NodeJS.ProcessEnv): Partial<TransportOptions> {
  const {
    HANDOFF_HOST,
    HANDOFF_PORT,
    HANDOFF_JOIN,
    HANDOFF_SECRET,
    HANDOFF_SECRET_FILE,
    HANDOFF_ADVERTISE,
    HANDOFF_ROOT,
    HANDOFF_TLS_CERT,
    HANDOFF_TLS_KEY,
    HANDOFF_TLS_CA,
  } = env;
  const secret = HANDOFF_SECRET || (HANDOFF_SECRET_FILE && read('HANDOFF_SECRET_FILE', HANDOFF_SECRET_FILE).trim());
  if (HANDOFF_SECRET_FILE && !secret)
    throw new HandoffError('INVALID_OPTION', `HANDOFF_SECRET_FILE names ${HANDOFF_SECRET_FILE}, which is empty.`, {
      option: 'HANDOFF_SECRET_FILE',
    });
  const tls = [HANDOFF_TLS_CERT, HANDOFF_TLS_KEY, HANDOFF_TLS_CA].filter(Boolean).length;
  if (tls !== 0 && tls !== 3)
    throw new HandoffError(
      'INVALID_OPTION',
      'Only some of HANDOFF_TLS_CERT, HANDOFF_TLS_KEY and HANDOFF_TLS_CA are set. TLS needs all three.',
      { option: 'tls' },
    );
  return {
    ...(HANDOFF_HOST && { host: HANDOFF_HOST }),
    ...(HANDOFF_PORT && { port: Number(HANDOFF_PORT) }),
    ...(HANDOFF_JOIN && { join: HANDOFF_JOIN.split(',').map((each) => each.trim()) }),
    ...(secret && { secret }),
    ...(HANDOFF_ADVERTISE && { advertise: HANDOFF_ADVERTISE }),
    ...(HANDOFF_ROOT && { root: HANDOFF_ROOT }),
    ...(HANDOFF_TLS_CERT &&
      HANDOFF_TLS_KEY &&
      HANDOFF_TLS_CA && {
        tls: {
          cert: read('HANDOFF_TLS_CERT', HANDOFF_TLS_CERT),
          key: read('HANDOFF_TLS_KEY', HANDOFF_TLS_KEY),
          ca: read('HANDOFF_TLS_CA', HANDOFF_TLS_CA),
        },
      }),
  };
}

function read(variable: string, file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new HandoffError('INVALID_OPTION', `${variable} names ${file}, which cannot be read.`, {
      option: variable,
      cause,
    });
  }
}

function withoutUndefined<Options extends object>(options: Options): Options {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Options;
}
