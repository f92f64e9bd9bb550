/**
 * Options of a TCP transport that users set by the option `transport`. What uses them is in `options.ts`, which loads
 * cryptography.
 */
import { portNumber, special, text, whole } from '../../../core/option-types.ts';
import { option } from '../../../core/options.ts';
import { isRecord } from '../../../core/values.ts';
import { minFrameBytes } from '../frame.ts';
import { parseAddress, unixPath } from './address.ts';
import { isSecret, minSecretChars, secretExpected } from './secret.ts';

/** PEM. Both sides must present a certificate signed by `ca`. */
export interface TlsOptions {
  readonly cert: string | Buffer;
  readonly key: string | Buffer;
  readonly ca: string | Buffer;
}

export const mebibyte = 1024 * 1024;

export const tcpOptions = {
  host: option(
    text(
      "a host name, an IP address, or 'unix:/path': an absolute path of at most 103 bytes without commas",
      (host) => host !== '' && (!host.startsWith('unix:') || unixPath(host) !== undefined),
    ),
    {
      description: "The address to listen on; `'unix:/path'` is a Unix socket with mode 0600, which only you can open.",
      details:
        'Every user of this machine can reach the default: without a `secret` each of them can run code as you. Addresses that other machines can reach need a `secret`.',
      default: '127.0.0.1',
      environment: ['HANDOFF_HOST'],
      flags: ['--listen'],
    },
  ),
  port: option(portNumber, {
    description: 'The port to listen on; 0: any free port.',
    details: 'Not allowed with a Unix socket.',
    otherwise: '0, or no listening if `join` is given',
    environment: ['HANDOFF_PORT'],
    flags: ['--listen'],
  }),
  secret: option(text(secretExpected, isSecret), {
    description: `A secret shared by all hosts of the cluster: long and random, at least ${minSecretChars} characters.`,
    details: 'It is the TLS key between hosts, so traffic is encrypted. Not used on Unix sockets.',
    environment: ['HANDOFF_SECRET', 'HANDOFF_SECRET_FILE'],
    flags: ['--secret-file'],
    isSecret: true,
  }),
  // Without `ca`, every certificate of a public authority would be accepted.
  tls: option(
    special<TlsOptions>(
      (tls) => isRecord(tls) && [tls['cert'], tls['key'], tls['ca']].every(isPem),
      '{ cert, key, ca }, each PEM',
    ),
    {
      description:
        'Mutual TLS: each host proves itself with a certificate signed by `ca`; `{ cert, key, ca }`, each PEM.',
      details: 'With a `secret`, hosts prove both. Not used on Unix sockets.',
      environment: ['HANDOFF_TLS_CERT', 'HANDOFF_TLS_KEY', 'HANDOFF_TLS_CA'],
      flags: ['--tls-cert', '--tls-key', '--tls-ca'],
      isSecret: true,
    },
  ),
  advertise: option(
    text("'host', 'host:port' or 'unix:/path'", (address) =>
      [address, `${address}:1`].some((each) => parseAddress(each) !== undefined),
    ),
    {
      description: 'The address at which others reach this host, if it differs from where it listens.',
      otherwise: 'where it listens',
      environment: ['HANDOFF_ADVERTISE'],
      flags: ['--advertise'],
    },
  ),
  maxFrameBytes: option(whole({ unit: 'bytes', min: minFrameBytes, max: 0xfffffffe }), {
    description: `The maximum frame size, at least ${minFrameBytes}`,
    details: 'Two hosts use the smaller of theirs. Messages and results may be larger than a frame.',
    default: 16 * mebibyte,
  }),
};

function isPem(value: unknown): value is string | Buffer {
  return (typeof value === 'string' || Buffer.isBuffer(value)) && value.length > 0;
}
