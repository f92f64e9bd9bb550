/** Why a host refuses another: one number on the wire, and a text for either side. */
import { HandoffError } from '../../../core/errors.ts';

export const Refusal = {
  none: 0,
  plaintext: 1,
  noCertificate: 2,
  expired: 3,
  notYetValid: 4,
  foreign: 5,
  otherwise: 6,
  secretMissing: 7,
  secretUnknown: 8,
} as const;

const ofThis = 'the certificate of this host (tls.cert)';

/** What the refused side reads. */
const told: Readonly<Record<number, string>> = {
  [Refusal.plaintext]:
    'it accepts only TLS, and this host has neither a secret nor tls. Give this host what the other has',
  [Refusal.noCertificate]:
    'it asks for a certificate, and this host has shown none. Give this host tls: { cert, key, ca }',
  [Refusal.expired]: `${ofThis} has expired, by the clock of the other host. Renew it`,
  [Refusal.notYetValid]: `${ofThis} is not valid yet, by the clock of the other host. Set the clocks, or wait`,
  [Refusal.foreign]: `${ofThis} is not signed by the authority that the other host trusts (its tls.ca). Use certificates of one authority`,
  [Refusal.otherwise]: `${ofThis} is not valid there. The other host's event connection:refused says why`,
  [Refusal.secretMissing]: 'it has a secret, and this host has none. Give both the same',
  [Refusal.secretUnknown]: 'it has no secret, and this host has one. Give both the same',
};

/** That the other side refuses this host. */
export function refusedBy(peerName: string, refusal: number): HandoffError {
  return new HandoffError(
    'UNAUTHORIZED',
    `${peerName} refuses this host: ${told[refusal] ?? `for reason ${refusal}, which this version does not know`}`,
  );
}

const judged: Readonly<Record<string, number>> = {
  CERT_HAS_EXPIRED: Refusal.expired,
  CERT_NOT_YET_VALID: Refusal.notYetValid,
  UNABLE_TO_GET_ISSUER_CERT: Refusal.foreign,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: Refusal.foreign,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: Refusal.foreign,
  SELF_SIGNED_CERT_IN_CHAIN: Refusal.foreign,
  DEPTH_ZERO_SELF_SIGNED_CERT: Refusal.foreign,
  CERT_SIGNATURE_FAILURE: Refusal.foreign,
  CERT_UNTRUSTED: Refusal.foreign,
};

const found: Readonly<Record<number, string>> = {
  [Refusal.expired]: 'has expired, by the clock of this host. Renew it there',
  [Refusal.notYetValid]: 'is not valid yet, by the clock of this host. Set the clocks, or wait',
};

/** A refusal of a peer's certificate: what to tell the peer, and what to tell here. */
export interface Verdict {
  readonly refusal: number;
  readonly error: HandoffError;
}

/** @param code what OpenSSL calls what is wrong */
export function refuseCertificate(peerName: string, code: string): Verdict {
  const refusal = judged[code] ?? Refusal.otherwise;
  const isSelfSigned = code === 'DEPTH_ZERO_SELF_SIGNED_CERT';
  const foreign = `is ${isSelfSigned ? 'signed by itself, and not' : 'not signed'} by the authority that this host trusts (tls.ca). Use certificates of one authority`;
  const text = refusal === Refusal.foreign ? foreign : (found[refusal] ?? `is not valid (${code})`);
  return { refusal, error: new HandoffError('UNAUTHORIZED', `the certificate of ${peerName} ${text}`) };
}

export function refuseMissingCertificate(peerName: string): Verdict {
  return {
    refusal: Refusal.noCertificate,
    error: new HandoffError(
      'UNAUTHORIZED',
      `${peerName} has shown no certificate, and this host asks for one (tls). Give it tls: { cert, key, ca }`,
    ),
  };
}
