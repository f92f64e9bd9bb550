/** The option `transport`: how to reach other hosts. */
import { readFileSync } from 'node:fs';
import { HandoffError } from '../../core/errors.ts';
import { parseAddress, unixPath } from '../../hosts/transport/tcp/address.ts';
import { minFrameBytes } from '../../hosts/transport/frame.ts';
import type { TlsOptions } from '../../hosts/transport/tcp/options.ts';
import { isSecret, secretExpected } from '../../hosts/transport/tcp/secret.ts';
import { checkOptions, invalidOption, isRecord, type Rule, rules, type Schema } from '../../core/schema.ts';

export interface TransportOptions {
  readonly type: 'tcp';
  /**
   * The address to listen on. Default `'127.0.0.1'`, which every user of this machine can reach: without a `secret`
   * each of them can run code as you. `'unix:/path'` is a Unix socket with mode 0600, which only you can open.
   * Addresses that other machines can reach need a `secret`. Environment: `HANDOFF_HOST`.
   */
  readonly host?: string | undefined;
  /**
   * The port to listen on; 0: any free port. Default: 0, or no listening if `join` is given. Not allowed with a Unix
   * socket. Environment: `HANDOFF_PORT`.
   */
  readonly port?: number | undefined;
  /**
   * Addresses of cluster members, as `host:port` or `unix:/path`. One is enough to find all others. Environment:
   * `HANDOFF_JOIN`, separated by commas.
   */
  readonly join?: readonly string[] | undefined;
  /**
   * A secret shared by all hosts of the cluster: long and random, at least 16 characters. It is the TLS key between
   * hosts, so traffic is encrypted. Not used on Unix sockets. Environment: `HANDOFF_SECRET`, or the path of a file in
   * `HANDOFF_SECRET_FILE`.
   */
  readonly secret?: string | undefined;
  /**
   * Mutual TLS in addition: each host proves itself with a certificate signed by `ca`. All three are PEM texts.
   * Environment: paths in `HANDOFF_TLS_CERT`, `HANDOFF_TLS_KEY`, `HANDOFF_TLS_CA`.
   */
  readonly tls?: TlsOptions | undefined;
  /**
   * The address at which others reach this host, if it differs from where it listens. Environment: `HANDOFF_ADVERTISE`.
   */
  readonly advertise?: string | undefined;
  /**
   * Maximum frame size in bytes, at least 1024. Two hosts use the smaller of theirs. Messages and results may be larger
   * than a frame. Default 16 MiB.
   */
  readonly maxFrameBytes?: number | undefined;
  /** Time between heartbeats in ms. Default 1000. */
  readonly heartbeatInterval?: number | undefined;
  /** Silence in ms after which a host is considered lost. Default: five heartbeat intervals. */
  readonly heartbeatTimeout?: number | undefined;
  /**
   * How long a lost host may take to reconnect, in ms. Functions that only it can run wait. It is also how long the
   * main thread of a host may be busy while its process sends heartbeats. 0: no waiting. Default 30,000.
   */
  readonly reconnectTimeout?: number | undefined;
  /** How long `Handoff.start` tries to join, in ms. Default 5000. */
  readonly joinTimeout?: number | undefined;
  /**
   * How long `stop` waits in ms for other hosts to finish their functions here and fetch their results. Default 30,000.
   */
  readonly drainTimeout?: number | undefined;
  /**
   * The folder below which modules of functions are found. Their relative paths must be equal on all hosts. Default:
   * the working directory. Environment: `HANDOFF_ROOT`.
   */
  readonly root?: string | undefined;
}

export interface ResolvedTransport extends TransportOptions {
  readonly join: readonly string[];
  readonly heartbeatInterval: number;
  readonly heartbeatTimeout: number;
  readonly reconnectTimeout: number;
  readonly joinTimeout: number;
  readonly drainTimeout: number;
  readonly root: string;
}

const text: Rule = {
  expected: 'a string that is not empty',
  holds: (value) => typeof value === 'string' && value !== '',
};
const secretText: Rule = { expected: secretExpected, holds: isSecret };
const address: Rule = {
  expected: "a list of 'host:port' or 'unix:/path'",
  holds: (value) =>
    Array.isArray(value) && value.every((each) => typeof each === 'string' && parseAddress(each) !== undefined),
};

const schema: Schema<TransportOptions> = {
  type: { expected: "'tcp'", holds: (value) => value === 'tcp' },
  host: text,
  secret: secretText,
  advertise: text,
  root: text,
  port: {
    expected: 'a port, 0 to 65535',
    holds: (value) => Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 65535,
  },
  join: address,
  tls: { expected: '{ cert, key, ca }, each PEM', holds: isRecord },
  maxFrameBytes: {
    expected: `a whole number of bytes, at least ${minFrameBytes}`,
    holds: (value) => Number.isSafeInteger(value) && (value as number) >= minFrameBytes,
  },
  heartbeatInterval: rules.positiveMilliseconds,
  heartbeatTimeout: rules.positiveMilliseconds,
  reconnectTimeout: rules.milliseconds,
  joinTimeout: rules.milliseconds,
  drainTimeout: rules.milliseconds,
};

/**
 * What was given, then what the environment says, then defaults.
 *
 * @throws `INVALID_OPTION`
 */
export function resolveTransport(given: TransportOptions, env: NodeJS.ProcessEnv = process.env): ResolvedTransport {
  const where = 'Handoff.start: transport';
  if (!isRecord(given)) throw invalidOption('Handoff.start', 'transport', "{ type: 'tcp', … }", given);
  if (!('type' in given)) throw invalidOption(where, 'type', schema.type.expected, undefined);
  const { secret } = given;
  if (secret !== undefined) needSecret(where, secret);
  checkOptions(where, schema, given);
  const options: TransportOptions = { ...fromEnvironment(env), ...withoutUndefined(given) };
  if (options.secret !== undefined) needSecret(`${where} (from HANDOFF_SECRET or HANDOFF_SECRET_FILE)`, options.secret);
  checkOptions(`${where} (from HANDOFF_ variables)`, schema, options);
  return withDefaults(where, options);
}

function withDefaults(where: string, options: TransportOptions): ResolvedTransport {
  const { join = [], host = '' } = options;
  const isUnix = unixPath(host) !== undefined;
  if (isUnix && options.port !== undefined)
    throw invalidOption(where, 'port', `none, because host '${host}' is a Unix socket`, options.port);
  const port = options.port ?? (join.length > 0 || isUnix ? undefined : 0);
  const interval = options.heartbeatInterval ?? 1000;
  const heartbeatTimeout = options.heartbeatTimeout ?? 5 * interval;
  if (heartbeatTimeout <= interval)
    throw invalidOption(where, 'heartbeatTimeout', `more than heartbeatInterval, ${interval}`, heartbeatTimeout);
  return {
    ...options,
    join,
    heartbeatInterval: interval,
    heartbeatTimeout,
    ...(port !== undefined && { port }),
    reconnectTimeout: options.reconnectTimeout ?? 30_000,
    joinTimeout: options.joinTimeout ?? 5000,
    drainTimeout: options.drainTimeout ?? 30_000,
    root: options.root ?? process.cwd(),
  };
}

/** The error never contains the secret. */
function needSecret(where: string, secret: unknown): void {
  if (!secretText.holds(secret))
    throw new HandoffError(
      'INVALID_OPTION',
      `${where}: secret is not valid: expected ${secretText.expected}; got ${typeof secret === 'string' ? `a string of ${secret.length}` : typeof secret}.`,
      { option: 'secret' },
    );
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
