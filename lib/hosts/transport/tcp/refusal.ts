/** Why a host refuses another: a number on the wire, and a text for each side. */
import { HandoffError } from '../../../core/errors.ts';

export const Refusal = {
  none: 0,
  plaintext: 1,
  noCertificate: 2,
  expired: 3,
  notYetValid: 4,
  untrusted: 5,
  other: 6,
  secretMissing: 7,
  secretUnknown: 8,
} as const;

const ofThis = 'the certificate of this host (tls.cert)';

/** The text for the refused side. */
const reasonForPeer: Readonly<Record<number, string>> = {
  [Refusal.plaintext]: 'it accepts only TLS, but this host has neither a secret nor tls. Give both the same options',
  [Refusal.noCertificate]:
    'it requires a certificate, but this host presented none. Set the option tls: { cert, key, ca } on this host',
  [Refusal.expired]: `${ofThis} has expired according to the other host's clock. Renew it`,
  [Refusal.notYetValid]: `${ofThis} is not valid yet according to the other host's clock. Set the clocks, or wait`,
  [Refusal.untrusted]: `${ofThis} is not signed by the authority that the other host trusts (its tls.ca). Use certificates of one authority`,
  [Refusal.other]: `${ofThis} is not valid there. The other host's event connection:refused has the reason`,
  [Refusal.secretMissing]: 'it has a secret, but this host has none. Give both the same secret',
  [Refusal.secretUnknown]: 'it has no secret, but this host has one. Give both the same secret',
};

/** The error when the other side refuses this host. */
export function refusedBy(peerName: string, refusal: number): HandoffError {
  return new HandoffError(
    'UNAUTHORIZED',
    `${peerName} refuses this host: ${reasonForPeer[refusal] ?? `for reason ${refusal}, which this version does not know`}`,
  );
}

const refusalByCode: Readonly<Record<string, number>> = {
  CERT_HAS_EXPIRED: Refusal.expired,
  CERT_NOT_YET_VALID: Refusal.notYetValid,
  UNABLE_TO_GET_ISSUER_CERT: Refusal.untrusted,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: Refusal.untrusted,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: Refusal.untrusted,
  SELF_SIGNED_CERT_IN_CHAIN: Refusal.untrusted,
  DEPTH_ZERO_SELF_SIGNED_CERT: Refusal.untrusted,
  CERT_SIGNATURE_FAILURE: Refusal.untrusted,
  CERT_UNTRUSTED: Refusal.untrusted,
};

const reasonHere: Readonly<Record<number, string>> = {
  [Refusal.expired]: "has expired according to this host's clock. Renew it there",
  [Refusal.notYetValid]: "is not valid yet according to this host's clock. Set the clocks, or wait",
};

/** The refusal of a peer's certificate: the number for the peer, and the error for this host. */
export interface PeerRefusal {
  readonly refusal: number;
  readonly error: HandoffError;
}

/** @param code OpenSSL's error code */
export function refuseCertificate(peerName: string, code: string): PeerRefusal {
  const refusal = refusalByCode[code] ?? Refusal.other;
  const isSelfSigned = code === 'DEPTH_ZERO_SELF_SIGNED_CERT';
  const foreign = `is ${isSelfSigned ? 'self-signed, not signed' : 'not signed'} by the authority that this host trusts (tls.ca). Use certificates of one authority`;
  const text = refusal === Refusal.untrusted ? foreign : (reasonHere[refusal] ?? `is not valid (${code})`);
  return { refusal, error: new HandoffError('UNAUTHORIZED', `the certificate of ${peerName} ${text}`) };
}

export function refuseMissingCertificate(peerName: string): PeerRefusal {
  return {
    refusal: Refusal.noCertificate,
    error: new HandoffError(
      'UNAUTHORIZED',
      `${peerName} presented no certificate, but this host requires one (tls). Set the option tls: { cert, key, ca } there`,
    ),
  };
}
