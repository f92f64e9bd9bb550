/** The options of a TCP transport, and their checked form. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import type * as v from 'valibot';
import { HandoffError } from '../../../core/errors.ts';
import { callback, whole } from '../../../core/option-types.ts';
import { invalidOption, option, optionSet, parseOptions, required } from '../../../core/options.ts';
import type { Identity } from '../transport.ts';
import { isLoopback, isWildcard, unixPath } from './address.ts';
import { mebibyte, tcpOptions, type TlsOptions } from './schema.ts';

export interface TcpOptions {
  /** Returns the identity of this host. */
  readonly identity: () => Omit<Identity, 'address'>;
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
  /** The time from connecting until a peer has proved itself, in ms. Default 4,000 ms. */
  readonly handshakeTimeout?: number | undefined;
  /**
   * The maximum number of connections that have not proved themselves yet. For one more, the oldest is closed. Default
   * 1024.
   */
  readonly maxUnproven?: number | undefined;
  /** The same, for connections from one address (of IPv6: one /64 network). Default 640. */
  readonly maxUnprovenPerAddress?: number | undefined;
  /** Called when this host and another refuse each other, with the reason. */
  readonly onRefused?: ((refusal: ConnectionRefused) => void) | undefined;
  /** Bytes that may wait for a peer that takes nothing, before the connection is closed, in bytes. Default 256 MiB. */
  readonly maxQueuedBytes?: number | undefined;
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

export const tcpSchema = optionSet({
  ...tcpOptions,
  identity: required(callback<TcpOptions['identity']>(), { description: 'Returns the identity of this host.' }),
  handshakeTimeout: option(whole({ unit: 'ms', min: 1, max: 2 ** 31 - 1 }), {
    description: 'The time from connecting until a peer has proved itself',
    default: 4000,
  }),
  maxUnproven: option(whole({ min: 1 }), {
    description: 'The maximum number of connections that have not proved themselves yet.',
    details: 'For one more, the oldest is closed.',
    default: 1024,
  }),
  maxUnprovenPerAddress: option(whole({ min: 1 }), {
    description: 'The same, for connections from one address (of IPv6: one /64 network).',
    // Longer than the queue of connections that a system accepts at once, so that each of these can speak.
    default: 640,
  }),
  onRefused: option(callback<NonNullable<TcpOptions['onRefused']>>(), {
    description: 'Called when this host and another refuse each other, with the reason.',
  }),
  maxQueuedBytes: option(whole({ unit: 'bytes', min: 1 }), {
    description: 'Bytes that may wait for a peer that takes nothing, before the connection is closed',
    default: 256 * mebibyte,
  }),
});

/** With defaults. Without a secret, `secret` is empty. */
export type TcpSettings = v.InferOutput<typeof tcpSchema> & { readonly secret: string };

/** @throws `INVALID_OPTION` */
export function resolveTcpOptions(given: TcpOptions): TcpSettings {
  const settings = parseOptions('TcpTransport', tcpSchema, given);
  const { host, port, secret, advertise, tls } = settings;
  if (unixPath(host) !== undefined && port !== undefined)
    throw invalidOption('TcpTransport', 'port', `left out, because '${host}' is a Unix socket`, port);
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
  return { ...settings, secret: secret ?? '' };
}

function checkTls(tls: TlsOptions): void {
  const { cert, key, ca } = tls;
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
