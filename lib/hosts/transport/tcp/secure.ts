/**
 * How connections are encrypted: TLS 1.3, with certificates on both sides where there is `tls`, with the secret as an
 * external pre-shared key (RFC 8446, 2.2) otherwise. The key exchange is ephemeral in both, so that what was recorded
 * cannot be read with a secret that leaks later.
 *
 * Who listens in on one attempt can try secrets on it at leisure, as with every pre-shared key. Hence the key is
 * derived with scrypt, and short secrets are refused.
 */
import { constants, scrypt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { TLSSocket, ConnectionOptions, TlsOptions as ServerOptions } from 'node:tls';
import { HandoffError } from '../../../core/errors.ts';
import type { TcpSettings, TlsOptions } from './options.ts';
import { Refusal, refuseCertificate, refuseMissingCertificate, type Verdict } from './refusal.ts';

/** How a connection is made safe. */
export type Security =
  | { readonly kind: 'none' }
  | { readonly kind: 'secret'; readonly key: Buffer }
  | { readonly kind: 'certificates'; readonly tls: TlsOptions; readonly key: Buffer | undefined };

export const plain: Security = { kind: 'none' };

const identity = 'handoff';
// 32 MiB and about 0.1 s, once per process and secret.
const cost = { N: 2 ** 15, r: 8, p: 1, maxmem: 2 ** 26 };
const salt = 'handoff: key of a cluster, 1';
const keyBytes = 32;

const keys = new Map<string, Promise<Buffer>>();

function keyOf(secret: string): Promise<Buffer> {
  let key = keys.get(secret);
  if (key === undefined) {
    key = new Promise((resolve, reject) =>
      scrypt(secret, salt, keyBytes, cost, (error, derived) => (error === null ? resolve(derived) : reject(error))),
    );
    keys.clear(); // a process has one, or few
    keys.set(secret, key);
  }
  return key;
}

/** How connections of a transport over TCP are made safe. */
export async function securityOf({ secret, tls }: TcpSettings): Promise<Security> {
  const key = secret === '' ? undefined : await keyOf(secret);
  if (tls !== undefined) return { kind: 'certificates', tls, key };
  return key === undefined ? plain : { kind: 'secret', key };
}

/**
 * AES-GCM is the faster where the processor knows AES, ChaCha20 elsewhere. Both have SHA-256, which the key of TLS is
 * bound to.
 */
function cipherOrder(): string {
  const ciphers = ['TLS_AES_128_GCM_SHA256', 'TLS_CHACHA20_POLY1305_SHA256'];
  return (hasAes() ? ciphers : ciphers.toReversed()).join(':');
}

function hasAes(): boolean {
  // Every x64 and arm64 machine of today that is sold with another system.
  if (process.platform !== 'linux') return true;
  try {
    return /^(?:flags|Features)\s*:.*\baes\b/m.test(readFileSync('/proc/cpuinfo', 'latin1'));
  } catch {
    return true;
  }
}

let ciphers: string | undefined;

function common(): { readonly ciphers: string; readonly minVersion: 'TLSv1.3' } {
  return { ciphers: (ciphers ??= cipherOrder()), minVersion: 'TLSv1.3' };
}

/** What a dialler gives TLS. Whether the other side is what it should be, `judge` says afterwards. */
export function dialOptions(security: Exclude<Security, { readonly kind: 'none' }>): ConnectionOptions {
  const judgedLater = { rejectUnauthorized: false, checkServerIdentity: () => undefined };
  if (security.kind === 'secret')
    return { ...common(), ...judgedLater, ca: [], pskCallback: () => ({ identity, psk: security.key }) };
  const { cert, key, ca } = security.tls;
  return { ...common(), ...judgedLater, cert, key, ca };
}

/**
 * What a listener gives TLS, likewise.
 *
 * @param named called when a dialler has named the key of the cluster: TLS ends the connection at once when it does not
 *   know it
 */
export function listenOptions(
  security: Exclude<Security, { readonly kind: 'none' }>,
  named: (socket: TLSSocket) => void,
): ServerOptions {
  const secureOptions = constants.SSL_OP_PRIORITIZE_CHACHA; // for a dialler that knows no AES
  if (security.kind === 'secret') {
    const pskCallback = (socket: TLSSocket, name: string): Buffer | null => {
      if (name !== identity) return null;
      named(socket);
      return security.key;
    };
    return { ...common(), secureOptions, ca: [], pskCallback };
  }
  const { cert, key, ca } = security.tls;
  return { ...common(), secureOptions, cert, key, ca, requestCert: true, rejectUnauthorized: false };
}

/**
 * Judges the other side of a TLS connection that is up. Only the chain of a certificate is checked: `ca` is the
 * cluster's own and signs its hosts alone, which are dialled by whatever address they have today.
 *
 * @returns undefined when it is what it should be
 */
export function judge(
  socket: TLSSocket,
  security: Exclude<Security, { readonly kind: 'none' }>,
  peerName: string,
): Verdict | undefined {
  // TLS 1.3 counts a pre-shared key as a session that is resumed. Diallers offer no other, and where certificates are
  // asked for a resumed session would show none.
  const isResumed = socket.isSessionReused();
  if (security.kind === 'secret') {
    if (isResumed) return undefined;
    return {
      refusal: Refusal.otherwise,
      error: new HandoffError(
        'UNAUTHORIZED',
        `${peerName} proves itself by a certificate, and this host has only a secret. Give both tls, or neither`,
      ),
    };
  }
  if (isResumed || Object.keys(socket.getPeerCertificate()).length === 0) return refuseMissingCertificate(peerName);
  return socket.authorized ? undefined : refuseCertificate(peerName, codeOf(socket.authorizationError));
}

function codeOf(error: unknown): string {
  return typeof error === 'string' ? error : ((error as { readonly code?: string } | undefined)?.code ?? String(error));
}

/** What is only true of this connection, for proofs (RFC 9266). */
export function bindingOf(socket: TLSSocket): Buffer {
  return socket.exportKeyingMaterial(32, 'EXPORTER-Channel-Binding', Buffer.alloc(0));
}

interface Failure {
  readonly code?: string;
  readonly message?: string;
}

/** What a failure of TLS means to the side that dialled; undefined when it is none of TLS. */
export function dialFailure(cause: unknown, security: Security, peerName: string): HandoffError | undefined {
  const { code = '', message = '' } = (cause ?? {}) as Failure;
  const error = (text: string, kind: 'UNAUTHORIZED' | 'PROTOCOL_ERROR' = 'UNAUTHORIZED'): HandoffError =>
    new HandoffError(kind, `${peerName} ${text}`, { cause });
  if (!code.startsWith('ERR_SSL')) return undefined;
  if (/ALERT_ACCESS_DENIED/.test(code))
    return error('has neither a secret nor tls, and this host has. Give both the same');
  if (/ALERT_DECRYPT_ERROR|BINDER/.test(code)) return error('has another secret than this host. Give both the same');
  if (/ALERT_HANDSHAKE_FAILURE/.test(code))
    return error(
      security.kind === 'secret'
        ? 'accepts no secret of this kind: it asks for a certificate, or has another version'
        : 'has no tls: it proves itself by a secret alone. Give both tls, or neither',
    );
  if (/ALERT_PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL/.test(code))
    return error('does not speak TLS 1.3', 'PROTOCOL_ERROR');
  if (/WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|HTTP|UNEXPECTED_MESSAGE|RECORD/.test(code))
    return error('does not speak TLS. Is it a Handoff host, of this version?', 'PROTOCOL_ERROR');
  return error(`and this one cannot agree on TLS: ${message || code}`);
}

/** What a failure of TLS means to the side that listens. */
export function listenFailure(cause: unknown, security: Security, peerName: string): HandoffError | undefined {
  const { code = '', message = '' } = (cause ?? {}) as Failure;
  if (!code.startsWith('ERR_SSL')) return undefined;
  const error = (text: string): HandoffError => new HandoffError('UNAUTHORIZED', `${peerName} ${text}`, { cause });
  if (/BINDER/.test(code)) return error('has another secret than this host. Give both the same');
  if (/NO_SUITABLE_SIGNATURE|NO_SHARED_CIPHER|NO_CERTIFICATE_SET/.test(code) && security.kind === 'secret')
    return error('has not proved that it knows the secret: it has tls, or is no Handoff host');
  return error(`cannot agree on TLS with this host: ${message || code}`);
}
