/** The options of a TCP transport, and their checked form. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { HandoffError } from '../../../core/errors.ts';
import { minFrameBytes } from '../frame.ts';
import type { Identity } from '../transport.ts';
import { isLoopback, isWildcard, parseAddress, unixPath } from './address.ts';
import { isSecret, secretExpected } from './secret.ts';

/** PEM. Both sides must present a certificate signed by `ca`. */
export interface TlsOptions {
  readonly cert: string | Buffer;
  readonly key: string | Buffer;
  readonly ca: string | Buffer;
}

export interface TcpOptions {
  /** The identity of this host, without its address. */
  readonly identity: () => Omit<Identity, 'address'>;
  /**
   * Where to listen: a host name or IP address, default `'127.0.0.1'`; or `'unix:/path'`, a Unix socket that only this
   * user can open. An address that other machines can reach requires a secret.
   */
  readonly host?: string;
  /** 0: any free port. Default: does not listen, unless `host` is a Unix socket, which has no port. */
  readonly port?: number;
  /** A shared secret: long and random, at least 16 characters. It also encrypts. Not used on Unix sockets. */
  readonly secret?: string;
  /** Both sides prove themselves by certificates, and by the secret if there is one. Not used on Unix sockets. */
  readonly tls?: TlsOptions;
  /** The address others dial, as `host` or `host:port`, if it differs from where this host listens. */
  readonly advertise?: string;
  /** The longest frame body, in bytes, at least 1024. Two hosts use the smaller of their limits. Default 16 MiB. */
  readonly maxFrameBytes?: number;
  /** ms from connecting until a peer must have proved itself. Default 4000. */
  readonly handshakeTimeout?: number;
  /** How many connections may be unproven at the same time. One more closes the oldest. Default 1024. */
  readonly maxUnproven?: number;
  /**
   * The same for one address (IPv6: one /64 network). Default 640: larger than the system's accept queue, so that every
   * connection gets the chance to speak.
   */
  readonly maxUnprovenPerAddress?: number;
  /** Called when this host and another refuse each other. */
  readonly onRefused?: (refusal: ConnectionRefused) => void;
  /** Bytes that may wait for a peer that reads nothing, before it is disconnected. Default 256 MiB. */
  readonly maxQueuedBytes?: number;
}

export interface ConnectionRefused {
  /** The peer's address. */
  readonly peer: string;
  /** Whether this host dialled. */
  readonly dialled: boolean;
  readonly error: HandoffError;
  /** Refused connections since the last report that were only counted: unknown hosts must not flood logs. */
  readonly others: number;
}

/** Options with their defaults; without a secret it is empty. */
export type TcpSettings = {
  readonly [Name in keyof Required<TcpOptions>]: Name extends 'port' | 'tls' | 'advertise' | 'onRefused'
    ? TcpOptions[Name] | undefined
    : Required<TcpOptions>[Name];
};

const mebibyte = 1024 * 1024;

/** @throws `INVALID_OPTION` when an option has a bad value */
export function resolveTcpOptions(options: TcpOptions): TcpSettings {
  const {
    host = '127.0.0.1',
    port,
    secret,
    tls,
    advertise,
    maxFrameBytes = 16 * mebibyte,
    handshakeTimeout = 4000,
    maxUnproven = 1024,
    maxUnprovenPerAddress = 640,
    maxQueuedBytes = 256 * mebibyte,
  } = options;
  need(typeof options.identity === 'function', 'identity', 'a function that returns { id, incarnation }');
  need(typeof host === 'string' && host !== '', 'host', 'a host name or an IP address');
  need(port === undefined || isWhole(port, 0, 65535), 'port', 'a port, 0 for any, or undefined to not listen');
  // An empty string is no secret, but most likely an unset variable.
  need(secret === undefined || isSecret(secret), 'secret', secretExpected);
  need(
    advertise === undefined || parseAddress(advertise) !== undefined || parseAddress(`${advertise}:1`) !== undefined,
    'advertise',
    "'host' or 'host:port', or 'unix:/path'",
  );
  need(
    isWhole(maxFrameBytes, minFrameBytes, 0xfffffffe),
    'maxFrameBytes',
    `a whole number from ${minFrameBytes} to 2³² - 2`,
  );
  need(isWhole(handshakeTimeout, 1, 2 ** 31 - 1), 'handshakeTimeout', 'a whole number of ms, at least 1');
  need(isWhole(maxUnproven, 1), 'maxUnproven', 'a whole number of at least 1');
  need(isWhole(maxUnprovenPerAddress, 1), 'maxUnprovenPerAddress', 'a whole number of at least 1');
  need(isWhole(maxQueuedBytes, 1), 'maxQueuedBytes', 'a whole number of at least 1');
  if (host.startsWith('unix:')) {
    need(
      unixPath(host) !== undefined,
      'host',
      "'unix:/path', an absolute path of at most 103 bytes without spaces and commas",
    );
    need(port === undefined, 'port', `none: '${host}' is a Unix socket`);
  }
  if (port !== undefined && secret === undefined && !isLoopback(host)) {
    throw new HandoffError(
      'INVALID_OPTION',
      `listening on '${host}' requires a secret: anyone who can reach it could run code here. Set the option secret, or listen on 127.0.0.1`,
      { option: 'secret' },
    );
  }
  if (port !== undefined && advertise === undefined && isWildcard(host)) {
    throw new HandoffError(
      'INVALID_OPTION',
      `listening on '${host}', every address of this machine, requires the option advertise: the address for other hosts to dial`,
      { option: 'advertise' },
    );
  }
  if (tls !== undefined) checkTls(tls);
  return {
    identity: options.identity,
    host,
    port,
    secret: secret ?? '',
    tls,
    advertise,
    maxFrameBytes,
    handshakeTimeout,
    maxUnproven,
    maxUnprovenPerAddress,
    maxQueuedBytes,
    onRefused: options.onRefused,
  };
}

function checkTls(tls: TlsOptions): void {
  const { cert, key, ca } = tls;
  // Without `ca`, every certificate of a public authority would be accepted.
  need(
    [cert, key, ca].every((pem) => (typeof pem === 'string' || Buffer.isBuffer(pem)) && pem.length > 0),
    'tls',
    '{ cert, key, ca }, each PEM',
  );
  const certificate = readPem('tls.cert', 'a certificate', cert, () => new X509Certificate(cert));
  readPem('tls.ca', 'the certificate of an authority', ca, () => new X509Certificate(ca));
  const privateKey = readPem('tls.key', 'a private key without a passphrase', key, () => createPrivateKey(key));
  if (!certificate.checkPrivateKey(privateKey))
    throw invalidTls('tls.key is not the private key of the certificate in tls.cert. Use the two files of one pair');
  try {
    createSecureContext({ cert, key, ca });
  } catch (cause) {
    throw invalidTls(`tls cannot be used: ${(cause as Error).message}`, cause);
  }
}

/**
 * Parses one of the three, so that the error can name the wrong one and what it contains. The error never shows its
 * content.
 */
function readPem<Result>(name: string, expected: string, pem: string | Buffer, parse: () => Result): Result {
  try {
    return parse();
  } catch (cause) {
    const label = /-----BEGIN ([A-Z0-9 ]{1,40})-----/.exec(pem.toString('latin1'))?.[1];
    const given =
      label === undefined
        ? 'it holds no PEM'
        : label.includes('PRIVATE KEY')
          ? 'it holds a private key'
          : label.includes('CERTIFICATE')
            ? 'it holds a certificate'
            : `it holds a ${label}`;
    throw invalidTls(
      `${name} is not valid: expected ${expected}, as PEM; ${given}${label === undefined ? '' : ' that cannot be used here. Are the files swapped?'}`,
      cause,
    );
  }
}

function invalidTls(text: string, cause?: unknown): HandoffError {
  return new HandoffError('INVALID_OPTION', `TcpTransport: ${text}`, {
    option: 'tls',
    ...(cause !== undefined && { cause }),
  });
}

function isWhole(value: unknown, min: number, max = Number.MAX_SAFE_INTEGER): boolean {
  return Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max;
}

/** The error says what was expected, but never the given value, which may be the secret. */
function need(holds: boolean, option: string, expected: string): void {
  if (!holds)
    throw new HandoffError('INVALID_OPTION', `TcpTransport: ${option} is not valid: expected ${expected}`, { option });
}
