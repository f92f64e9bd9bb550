/** What a TCP transport can be told, and what it makes of it. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { HandoffError } from '../../../core/errors.ts';
import { leastFrameBytes } from '../frame.ts';
import type { Identity } from '../transport.ts';
import { isLoopback, isWildcard, parseAddress, unixPath } from './address.ts';
import { isSecret, secretExpected } from './secret.ts';

/** PEM. Both sides must show a certificate that `ca` has signed. */
export interface TlsOptions {
  readonly cert: string | Buffer;
  readonly key: string | Buffer;
  readonly ca: string | Buffer;
}

export interface TcpOptions {
  /** Who this host is. Its address is added. */
  readonly identity: () => Omit<Identity, 'address'>;
  /**
   * Where to listen: a name or an IP address, default `'127.0.0.1'`; or `'unix:/path'`, a Unix socket that only this
   * user can open. Any that other machines can reach asks for a secret.
   */
  readonly host?: string;
  /** 0: any that is free. Default: does not listen, unless `host` is a Unix socket, which has no port. */
  readonly port?: number;
  /** What peers must know: long and random, of at least 16 characters. It encrypts, too. Not used on Unix sockets. */
  readonly secret?: string;
  /** Both sides prove themselves by certificates, and by the secret where there is one. Not used on Unix sockets. */
  readonly tls?: TlsOptions;
  /** Where others can dial this host, as `host` or `host:port`, when that is not where it listens. */
  readonly advertise?: string;
  /**
   * The longest body of a frame, in bytes, at least 1024. Of two hosts with different ones the smaller holds. Default
   * 16 MiB.
   */
  readonly maxFrameBytes?: number;
  /** ms from connecting until a peer has proved itself. Default 4000. */
  readonly handshakeTimeout?: number;
  /**
   * Connections that have not proved themselves yet, at the same time. For one more, the oldest is closed. Default
   * 1024.
   */
  readonly maxUnproven?: number;
  /**
   * Of these from one address (of IPv6: one /64 network). Default 640: more than a system keeps in line
   * to be accepted at once, so that none gives way before it could speak.
   */
  readonly maxUnprovenPerAddress?: number;
  /** Told when this host and another have nothing to do with each other, and why. */
  readonly onRefused?: (refusal: ConnectionRefused) => void;
  /** Bytes that may wait for a peer which takes nothing, before it is given up. Default 256 MiB. */
  readonly maxQueuedBytes?: number;
}

export interface ConnectionRefused {
  /** Where it is, or comes from. */
  readonly peer: string;
  /** Whether this host dialled. */
  readonly dialled: boolean;
  readonly error: HandoffError;
  /** Refused connections since the last that was told, which are not told apart: strangers must not fill logs. */
  readonly others: number;
}

/** All is there that has a default; without a secret it is empty. */
export type TcpSettings = {
  readonly [Name in keyof Required<TcpOptions>]: Name extends 'port' | 'tls' | 'advertise' | 'onRefused'
    ? TcpOptions[Name] | undefined
    : Required<TcpOptions>[Name];
};

const mebibyte = 1024 * 1024;

/** @throws `INVALID_OPTION` */
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
  need(typeof options.identity === 'function', 'identity', 'a function that gives { id, incarnation }');
  need(typeof host === 'string' && host !== '', 'host', 'a host name or an IP address');
  need(port === undefined || isWhole(port, 0, 65535), 'port', 'a port, 0 for any, or undefined to not listen');
  // An empty one is no secret, and more likely a variable that is not set.
  need(secret === undefined || isSecret(secret), 'secret', secretExpected);
  need(
    advertise === undefined || parseAddress(advertise) !== undefined || parseAddress(`${advertise}:1`) !== undefined,
    'advertise',
    "'host' or 'host:port', or 'unix:/path'",
  );
  need(
    isWhole(maxFrameBytes, leastFrameBytes, 0xfffffffe),
    'maxFrameBytes',
    `a whole number from ${leastFrameBytes} to 2³² - 2`,
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
      `listening on '${host}' needs a secret: whoever can reach it could run code here. Give one, or listen on 127.0.0.1`,
      { option: 'secret' },
    );
  }
  if (port !== undefined && advertise === undefined && isWildcard(host)) {
    throw new HandoffError(
      'INVALID_OPTION',
      `listening on '${host}', every address of this machine, needs advertise: the one that others are to dial`,
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
  // Without ca, every certificate of the public authorities would do.
  need(
    [cert, key, ca].every((pem) => (typeof pem === 'string' || Buffer.isBuffer(pem)) && pem.length > 0),
    'tls',
    '{ cert, key, ca }, each PEM',
  );
  const certificate = readPem('tls.cert', 'a certificate', cert, () => new X509Certificate(cert));
  readPem('tls.ca', 'the certificate of an authority', ca, () => new X509Certificate(ca));
  const privateKey = readPem('tls.key', 'a private key without a passphrase', key, () => createPrivateKey(key));
  if (!certificate.checkPrivateKey(privateKey))
    throw invalidTls(
      'tls.key is not the private key of the certificate in tls.cert. Give the two files that were made together',
    );
  try {
    createSecureContext({ cert, key, ca });
  } catch (cause) {
    throw invalidTls(`tls cannot be used: ${(cause as Error).message}`, cause);
  }
}

/** Reads one of the three, to say which is wrong, and what it is instead. Never what is in it. */
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
      `${name} is not valid: expected ${expected}, as PEM; ${given}${label === undefined ? '' : ' that cannot be used so. Are the files swapped?'}`,
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

function isWhole(value: unknown, least: number, most = Number.MAX_SAFE_INTEGER): boolean {
  return Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most;
}

/** Says what was expected but never what was given, which may be the secret. */
function need(holds: boolean, option: string, expected: string): void {
  if (!holds)
    throw new HandoffError('INVALID_OPTION', `TcpTransport: ${option} is not valid: expected ${expected}`, { option });
}
