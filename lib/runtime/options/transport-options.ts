/** The option `transport`: how other hosts are reached. */
import { readFileSync } from 'node:fs';
import { HandoffError } from '../../core/errors.ts';
import { parseAddress, unixPath } from '../../hosts/transport/tcp/address.ts';
import { leastFrameBytes } from '../../hosts/transport/frame.ts';
import type { TlsOptions } from '../../hosts/transport/tcp/options.ts';
import { isSecret, secretExpected } from '../../hosts/transport/tcp/secret.ts';
import { checkOptions, invalidOption, isRecord, type Rule, rules, type Schema } from '../../core/schema.ts';

export interface TransportOptions {
  readonly type: 'tcp';
  /**
   * Where to listen. Default `'127.0.0.1'`, which every user of this machine can reach; without a `secret` each of them can run code as you.
   * `'unix:/path'` is a Unix socket, which only you can open (its file has mode 0600). What other machines can reach needs a `secret`.
   * `HANDOFF_HOST`.
   */
  readonly host?: string | undefined;
  /** The port to listen on; 0: any. Default: any, unless there is somebody to join: then none. A Unix socket has none. `HANDOFF_PORT`. */
  readonly port?: number | undefined;
  /** `host:port` or `unix:/path` of members of the cluster. One is enough to learn of all. `HANDOFF_JOIN`, with commas. */
  readonly join?: readonly string[] | undefined;
  /**
   * What every host of the cluster knows, and nobody else: long and random, of at least 16 characters. It is the key of TLS between hosts, so
   * that it also encrypts. Not used on Unix sockets. `HANDOFF_SECRET`, or in a file: `HANDOFF_SECRET_FILE`.
   */
  readonly secret?: string | undefined;
  /** PEM; hosts then prove themselves by certificates of `ca`, too. `HANDOFF_TLS_CERT`, `HANDOFF_TLS_KEY`, `HANDOFF_TLS_CA`: files. */
  readonly tls?: TlsOptions | undefined;
  /** Where others are to dial this host, when that is not where it listens. `HANDOFF_ADVERTISE`. */
  readonly advertise?: string | undefined;
  /** The longest frame, in bytes, at least 1024. Of two hosts with different ones the smaller holds. Default 16 MiB. Messages and results may be longer. */
  readonly maxFrameBytes?: number | undefined;
  /** ms between signs of life. Default 1000. */
  readonly heartbeatInterval?: number | undefined;
  /** ms of silence after which a host is given up. Default: five intervals. */
  readonly heartbeatTimeout?: number | undefined;
  /**
   * ms that a host which was lost without a good-bye counts as returning: what only it can run waits. Also how long the main thread of a host
   * may be busy while its process gives signs of life. Default 30,000; 0: it is given up at once.
   */
  readonly reconnectTimeout?: number | undefined;
  /** ms that `Handoff.start` waits for somebody to join. Default 5000. */
  readonly joinTimeout?: number | undefined;
  /** ms that `stop` waits for other hosts' functions to finish here, and for them to take their results. Default 30,000. */
  readonly drainTimeout?: number | undefined;
  /** The folder that modules of functions are found in, on every host at the same place below it. Default: the working directory. `HANDOFF_ROOT`. */
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

const text: Rule = { expected: 'a string that is not empty', holds: (value) => typeof value === 'string' && value !== '' };
const secretText: Rule = { expected: secretExpected, holds: isSecret };
const address: Rule = { expected: "a list of 'host:port' or 'unix:/path'", holds: (value) => Array.isArray(value) && value.every((each) => typeof each === 'string' && parseAddress(each) !== undefined) };

const schema: Schema<TransportOptions> = {
  type: { expected: "'tcp'", holds: (value) => value === 'tcp' },
  host: text, secret: secretText, advertise: text, root: text,
  port: { expected: 'a port, 0 to 65535', holds: (value) => Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 65535 },
  join: address,
  tls: { expected: '{ cert, key, ca }, each PEM', holds: isRecord },
  maxFrameBytes: { expected: `a whole number of bytes, at least ${leastFrameBytes}`, holds: (value) => Number.isSafeInteger(value) && (value as number) >= leastFrameBytes },
  heartbeatInterval: rules.positiveMilliseconds, heartbeatTimeout: rules.positiveMilliseconds, reconnectTimeout: rules.milliseconds, joinTimeout: rules.milliseconds, drainTimeout: rules.milliseconds,
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
  const { join = [], host = '' } = options;
  const isUnix = unixPath(host) !== undefined;
  if (isUnix && options.port !== undefined) throw invalidOption(where, 'port', `none, as host is '${host}', a Unix socket`, options.port);
  const port = options.port ?? (join.length > 0 || isUnix ? undefined : 0);
  const interval = options.heartbeatInterval ?? 1000;
  const heartbeatTimeout = options.heartbeatTimeout ?? 5 * interval;
  if (heartbeatTimeout <= interval) throw invalidOption(where, 'heartbeatTimeout', `more than heartbeatInterval, ${interval}`, heartbeatTimeout);
  return {
    ...options, join, heartbeatInterval: interval, heartbeatTimeout, ...(port !== undefined && { port }),
    reconnectTimeout: options.reconnectTimeout ?? 30_000, joinTimeout: options.joinTimeout ?? 5000, drainTimeout: options.drainTimeout ?? 30_000, root: options.root ?? process.cwd(),
  };
}

/** Never says what was given. */
function needSecret(where: string, secret: unknown): void {
  if (!secretText.holds(secret)) throw new HandoffError('INVALID_OPTION', `${where}: secret is not valid: expected ${secretText.expected}; got ${typeof secret === 'string' ? `one of ${secret.length}` : typeof secret}.`, { option: 'secret' });
}

function fromEnvironment(env: NodeJS.ProcessEnv): Partial<TransportOptions> {
  const { HANDOFF_HOST, HANDOFF_PORT, HANDOFF_JOIN, HANDOFF_SECRET, HANDOFF_SECRET_FILE, HANDOFF_ADVERTISE, HANDOFF_ROOT, HANDOFF_TLS_CERT, HANDOFF_TLS_KEY, HANDOFF_TLS_CA } = env;
  const secret = HANDOFF_SECRET || (HANDOFF_SECRET_FILE && read('HANDOFF_SECRET_FILE', HANDOFF_SECRET_FILE).trim());
  if (HANDOFF_SECRET_FILE && !secret) throw new HandoffError('INVALID_OPTION', `HANDOFF_SECRET_FILE names ${HANDOFF_SECRET_FILE}, which is empty.`, { option: 'HANDOFF_SECRET_FILE' });
  const tls = [HANDOFF_TLS_CERT, HANDOFF_TLS_KEY, HANDOFF_TLS_CA].filter(Boolean).length;
  if (tls !== 0 && tls !== 3) throw new HandoffError('INVALID_OPTION', 'Of HANDOFF_TLS_CERT, HANDOFF_TLS_KEY and HANDOFF_TLS_CA some are set and some are not: TLS needs all three.', { option: 'tls' });
  return {
    ...(HANDOFF_HOST && { host: HANDOFF_HOST }),
    ...(HANDOFF_PORT && { port: Number(HANDOFF_PORT) }),
    ...(HANDOFF_JOIN && { join: HANDOFF_JOIN.split(',').map((each) => each.trim()) }),
    ...(secret && { secret }),
    ...(HANDOFF_ADVERTISE && { advertise: HANDOFF_ADVERTISE }),
    ...(HANDOFF_ROOT && { root: HANDOFF_ROOT }),
    ...(HANDOFF_TLS_CERT && HANDOFF_TLS_KEY && HANDOFF_TLS_CA && {
      tls: { cert: read('HANDOFF_TLS_CERT', HANDOFF_TLS_CERT), key: read('HANDOFF_TLS_KEY', HANDOFF_TLS_KEY), ca: read('HANDOFF_TLS_CA', HANDOFF_TLS_CA) },
    }),
  };
}

function read(variable: string, file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new HandoffError('INVALID_OPTION', `${variable} names ${file}, which cannot be read.`, { option: variable, cause });
  }
}

function withoutUndefined<Options extends object>(options: Options): Options {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Options;
}
