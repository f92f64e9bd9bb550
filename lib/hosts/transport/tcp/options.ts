/** What a TCP transport can be told, and what it makes of it. */
import { createSecureContext } from 'node:tls';
import { HandoffError } from '../../../core/errors.ts';
import type { Identity } from '../transport.ts';
import { isLoopback, isWildcard, parseAddress } from './address.ts';

/** PEM. Both sides must show a certificate that `ca` has signed. */
export interface TlsOptions {
  readonly cert: string | Buffer;
  readonly key: string | Buffer;
  readonly ca: string | Buffer;
}

export interface TcpOptions {
  /** Who this host is. Its address is added. */
  readonly identity: () => Omit<Identity, 'address'>;
  /** Where to listen. Default `'127.0.0.1'`. Any other than this machine's own asks for a secret. */
  readonly host?: string;
  /** 0: any that is free. Default: does not listen. */
  readonly port?: number;
  /** What peers must know, long and random. */
  readonly secret?: string;
  /** Default: no TLS. */
  readonly tls?: TlsOptions;
  /** Where others can dial this host, as `host` or `host:port`, when that is not where it listens. */
  readonly advertise?: string;
  /** The longest body of a frame, in bytes. The same on all hosts. Default 16 MiB. */
  readonly maxFrameBytes?: number;
  /** ms from connecting until a peer has proved itself. Default 5000. */
  readonly handshakeTimeout?: number;
  /** Connections that have not proved themselves yet, at the same time. More are closed at once. Default 128. */
  readonly maxUnproven?: number;
  /** Bytes that may wait for a peer which takes nothing, before it is given up. Default 256 MiB. */
  readonly maxQueuedBytes?: number;
}

/** All is there that has a default; without a secret it is empty. */
export type TcpSettings = { readonly [Name in keyof Required<TcpOptions>]: Name extends 'port' | 'tls' | 'advertise' ? TcpOptions[Name] | undefined : Required<TcpOptions>[Name] };

const mebibyte = 1024 * 1024;

/** @throws `INVALID_OPTION` */
export function resolveTcpOptions(options: TcpOptions): TcpSettings {
  const { host = '127.0.0.1', port, secret, tls, advertise, maxFrameBytes = 16 * mebibyte, handshakeTimeout = 5000, maxUnproven = 128, maxQueuedBytes = 256 * mebibyte } = options;
  need(typeof options.identity === 'function', 'identity', 'a function that gives { id, incarnation }');
  need(typeof host === 'string' && host !== '', 'host', 'a host name or an IP address');
  need(port === undefined || isWhole(port, 0, 65535), 'port', 'a port, 0 for any, or undefined to not listen');
  // An empty one is no secret, and more likely a variable that is not set.
  need(secret === undefined || (typeof secret === 'string' && secret !== ''), 'secret', 'a string that is not empty');
  need(advertise === undefined || parseAddress(advertise) !== undefined || parseAddress(`${advertise}:1`) !== undefined, 'advertise', "'host' or 'host:port'");
  need(isWhole(maxFrameBytes, 1, 0xfffffffe), 'maxFrameBytes', 'a whole number from 1 to 2³² - 2');
  need(isWhole(handshakeTimeout, 1, 2 ** 31 - 1), 'handshakeTimeout', 'a whole number of ms, at least 1');
  need(isWhole(maxUnproven, 1), 'maxUnproven', 'a whole number of at least 1');
  need(isWhole(maxQueuedBytes, 1), 'maxQueuedBytes', 'a whole number of at least 1');
  if (port !== undefined && secret === undefined && !isLoopback(host)) {
    throw new HandoffError('INVALID_OPTION', `listening on '${host}' needs a secret: whoever can reach it could run code here. Give one, or listen on 127.0.0.1`, { option: 'secret' });
  }
  if (port !== undefined && advertise === undefined && isWildcard(host)) {
    throw new HandoffError('INVALID_OPTION', `listening on '${host}', every address of this machine, needs advertise: the one that others are to dial`, { option: 'advertise' });
  }
  if (tls !== undefined) checkTls(tls);
  return { identity: options.identity, host, port, secret: secret ?? '', tls, advertise, maxFrameBytes, handshakeTimeout, maxUnproven, maxQueuedBytes };
}

function checkTls(tls: TlsOptions): void {
  const { cert, key, ca } = tls;
  // Without ca, every certificate of the public authorities would do.
  need([cert, key, ca].every((pem) => (typeof pem === 'string' || Buffer.isBuffer(pem)) && pem.length > 0), 'tls', '{ cert, key, ca }, each PEM');
  try {
    createSecureContext({ cert, key, ca });
  } catch (cause) {
    throw new HandoffError('INVALID_OPTION', `TcpTransport: tls cannot be used: ${(cause as Error).message}`, { option: 'tls', cause });
  }
}

function isWhole(value: unknown, least: number, most = Number.MAX_SAFE_INTEGER): boolean {
  return Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most;
}

/** Says what was expected but never what was given, which may be the secret. */
function need(holds: boolean, option: string, expected: string): void {
  if (!holds) throw new HandoffError('INVALID_OPTION', `TcpTransport: ${option} is not valid: expected ${expected}`, { option });
}
