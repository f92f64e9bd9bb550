/**
 * The encryption of connections: TLS 1.3. With the option `tls` both sides present certificates; otherwise the secret
 * is an external pre-shared key (RFC 8446, 2.2). The key exchange is ephemeral in both cases, so that a secret that
 * leaks later does not decrypt recorded traffic.
 *
 * An eavesdropper can try secrets offline on one recorded handshake, as with every pre-shared key. Hence the key is
 * derived with scrypt, and short secrets are refused.
 */
import { constants, scrypt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { TLSSocket, ConnectionOptions, TlsOptions as ServerOptions } from 'node:tls';
import { HandoffError } from '../../../core/errors.ts';
import type { TcpSettings } from './options.ts';
import type { TlsOptions } from './schema.ts';
import { Refusal, refuseCertificate, refuseMissingCertificate, type PeerRefusal } from './refusal.ts';

/** How a connection is secured. */
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
    keys.clear(); // a process has one secret, or few
    keys.set(secret, key);
  }
  return key;
}

/** The security of a transport's TCP connections. */
export async function securityOf({ secret, tls }: Pick<TcpSettings, 'secret' | 'tls'>): Promise<Security> {
  const key = secret === '' ? undefined : await keyOf(secret);
  if (tls !== undefined) return { kind: 'certificates', tls, key };
  return key === undefined ? plain : { kind: 'secret', key };
}

/**
 * AES-GCM is faster on processors with AES instructions, ChaCha20 on others. Both use SHA-256, which the key of TLS is
 * bound to.
 */
function cipherOrder(): string {
  const ciphers = ['TLS_AES_128_GCM_SHA256', 'TLS_CHACHA20_POLY1305_SHA256'];
  return (hasAes() ? ciphers : ciphers.toReversed()).join(':');
}

function hasAes(): boolean {
  // Other systems run on machines of today, which all have AES.
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

/** TLS options of a dialler. `checkPeer` checks the other side afterwards. */
export function dialOptions(security: Exclude<Security, { readonly kind: 'none' }>): ConnectionOptions {
  const checkedLater = { rejectUnauthorized: false, checkServerIdentity: () => undefined };
  if (security.kind === 'secret')
    return { ...common(), ...checkedLater, ca: [], pskCallback: () => ({ identity, psk: security.key }) };
  const { cert, key, ca } = security.tls;
  return { ...common(), ...checkedLater, cert, key, ca };
}

/**
 * TLS options of a listener. `checkPeer` checks the other side afterwards.
 *
 * @param named called when a dialler has named the key; TLS ends the connection at once if it does not know the key
 */
export function listenOptions(
  security: Exclude<Security, { readonly kind: 'none' }>,
  named: (socket: TLSSocket) => void,
): ServerOptions {
  const secureOptions = constants.SSL_OP_PRIORITIZE_CHACHA; // for diallers without AES
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
 * Checks the other side of an established TLS connection. Of a certificate it checks only the chain: `ca` belongs to
 * these hosts and signs only them, and their addresses change.
 *
 * @returns undefined when the other side is accepted
 */
export function checkPeer(
  socket: TLSSocket,
  security: Exclude<Security, { readonly kind: 'none' }>,
  peerName: string,
): PeerRefusal | undefined {
  // TLS 1.3 counts a pre-shared key as a resumed session. Diallers resume no other session; where certificates are
  // required, a resumed session would present none.
  const isResumed = socket.isSessionReused();
  if (security.kind === 'secret') {
    if (isResumed) return undefined;
    return {
      refusal: Refusal.other,
      error: new HandoffError(
        'UNAUTHORIZED',
        `${peerName} presented a certificate, but this host has only a secret. Set the option tls on both hosts, or on neither`,
      ),
    };
  }
  if (isResumed || Object.keys(socket.getPeerCertificate()).length === 0) return refuseMissingCertificate(peerName);
  return socket.authorized ? undefined : refuseCertificate(peerName, codeOf(socket.authorizationError));
}

function codeOf(error: unknown): string {
  return typeof error === 'string' ? error : ((error as { readonly code?: string } | undefined)?.code ?? String(error));
}

/** A value unique to this connection, for proofs (RFC 9266). */
export function bindingOf(socket: TLSSocket): Buffer {
  return socket.exportKeyingMaterial(32, 'EXPORTER-Channel-Binding', Buffer.alloc(0));
}

interface Failure {
  readonly code?: string;
  readonly message?: string;
}

/** The dialler's error for a TLS failure; undefined when the cause is not TLS. */
export function dialFailure(cause: unknown, security: Security, peerName: string): HandoffError | undefined {
  const { code = '', message = '' } = (cause ?? {}) as Failure;
  const error = (text: string, kind: 'UNAUTHORIZED' | 'PROTOCOL_ERROR' = 'UNAUTHORIZED'): HandoffError =>
    new HandoffError(kind, `${peerName} ${text}`, { cause });
  if (!code.startsWith('ERR_SSL')) return undefined;
  if (/ALERT_ACCESS_DENIED/.test(code))
    return error('has neither a secret nor tls, but this host has one. Give both the same options');
  if (/ALERT_DECRYPT_ERROR|BINDER/.test(code))
    return error('has a different secret than this host. Give both the same secret');
  if (/ALERT_HANDSHAKE_FAILURE/.test(code))
    return error(
      security.kind === 'secret'
        ? 'does not accept a secret alone: it requires a certificate, or runs another version of handoffjs'
        : 'has no certificate, only a secret. Set the option tls on both hosts, or on neither',
    );
  if (/ALERT_PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL/.test(code))
    return error('does not speak TLS 1.3', 'PROTOCOL_ERROR');
  if (/WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|HTTP|UNEXPECTED_MESSAGE|RECORD/.test(code))
    return error('does not speak TLS. Check that a Handoff host of this version listens there', 'PROTOCOL_ERROR');
  return error(`and this host cannot agree on TLS: ${message || code}`);
}

/** The listener's error for a TLS failure; undefined when the cause is not TLS. */
export function listenFailure(cause: unknown, security: Security, peerName: string): HandoffError | undefined {
  const { code = '', message = '' } = (cause ?? {}) as Failure;
  if (!code.startsWith('ERR_SSL')) return undefined;
  const error = (text: string): HandoffError => new HandoffError('UNAUTHORIZED', `${peerName} ${text}`, { cause });
  if (/BINDER/.test(code)) return error('has a different secret than this host. Give both the same secret');
  if (/NO_SUITABLE_SIGNATURE|NO_SHARED_CIPHER|NO_CERTIFICATE_SET/.test(code) && security.kind === 'secret')
    return error('did not prove that it knows the secret: it uses certificates, or is no Handoff host');
  return error(`cannot agree on TLS with this host: ${message || code}`);
}
