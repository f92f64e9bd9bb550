/** Options of a NATS transport that users set by the option `transport`. */
import { oneOf, special, text } from '../../../core/option-types.ts';
import { option, required } from '../../../core/options.ts';
import { isRecord } from '../../../core/values.ts';
import { isNamespace } from './subjects.ts';

/** PEM. Without `ca`, the server's certificate must be signed by a public authority. */
export interface NatsTlsOptions {
  readonly ca?: string | Buffer | undefined;
  readonly cert?: string | Buffer | undefined;
  readonly key?: string | Buffer | undefined;
  /** Whether TLS starts before the server has spoken. Default `false`. */
  readonly handshakeFirst?: boolean | undefined;
}

const serversExpected =
  "one or more servers, such as 'nats://127.0.0.1:4222' or 'tls://nats.example.org:4222'; credentials have options of their own";

function isServer(value: unknown): boolean {
  return typeof value === 'string' && serverOf(value) !== undefined;
}

/** A server by `host:port`, and whether its scheme asks for TLS; undefined when it is no server. */
export function serverOf(server: string): { readonly host: string; readonly isTls: boolean } | undefined {
  const [, scheme = 'nats', host, port = '4222'] =
    /^(?:(nats|tls):\/\/)?(\[[\da-fA-F:.]{2,45}\]|[\w.-]{1,253})(?::(\d{1,5}))?\/?$/.exec(server) ?? [];
  if (host === undefined || Number(port) === 0 || Number(port) > 65535) return undefined;
  return { host: `${host}:${port}`, isTls: scheme === 'tls' };
}

const isText = (value: unknown): boolean => (typeof value === 'string' || Buffer.isBuffer(value)) && value.length > 0;

function isTls(value: unknown): boolean {
  if (value === true) return true;
  if (!isRecord(value)) return false;
  const { ca, cert, key, handshakeFirst, ...others } = value;
  return (
    Object.keys(others).length === 0 &&
    [ca, cert, key].every((each) => each === undefined || isText(each)) &&
    (cert === undefined) === (key === undefined) &&
    (handshakeFirst === undefined || typeof handshakeFirst === 'boolean')
  );
}

export const natsOptions = {
  servers: required(
    special<string | readonly string[]>(
      (value) => isServer(value) || (Array.isArray(value) && value.length > 0 && value.every(isServer)),
      serversExpected,
    ),
    {
      description: 'The NATS servers, as `nats://HOST:PORT` or `tls://HOST:PORT`; one of a cluster is enough.',
      environment: ['HANDOFF_NATS'],
      flags: ['--nats'],
      isSecret: true,
    },
  ),
  namespace: option(text("words of letters, digits, '_' and '-', separated by dots", isNamespace), {
    description: 'Hosts of one namespace find each other; all subjects begin with it.',
    default: 'handoff',
    environment: ['HANDOFF_NATS_NAMESPACE'],
    flags: ['--nats-namespace'],
  }),
  user: option(text(), {
    description: 'The user at the server.',
    environment: ['HANDOFF_NATS_USER'],
    flags: ['--nats-user'],
  }),
  pass: option(text(), {
    description: 'The password of `user`.',
    environment: ['HANDOFF_NATS_PASS', 'HANDOFF_NATS_PASS_FILE'],
    flags: ['--nats-pass-file'],
    isSecret: true,
  }),
  token: option(text(), {
    description: 'The token that the server asks for.',
    environment: ['HANDOFF_NATS_TOKEN', 'HANDOFF_NATS_TOKEN_FILE'],
    flags: ['--nats-token-file'],
    isSecret: true,
  }),
  nkey: option(special<string | Buffer>(isText, 'the seed of an nkey'), {
    description: 'The seed of an nkey, which begins with `SU`.',
    environment: ['HANDOFF_NATS_NKEY'],
    flags: ['--nats-nkey'],
    isSecret: true,
  }),
  creds: option(special<string | Buffer>(isText, 'the content of a .creds file'), {
    description: 'Credentials: a JWT and its nkey, the content of a `.creds` file.',
    environment: ['HANDOFF_NATS_CREDS'],
    flags: ['--nats-creds'],
    isSecret: true,
  }),
  tls: option(special<true | NatsTlsOptions>(isTls, 'true or { ca?, cert?, key?, handshakeFirst? }, each PEM'), {
    description: 'TLS with the server: `true`, or `{ ca, cert, key }`, each PEM.',
    details:
      '`ca` replaces the public authorities; `cert` and `key` prove this host. A server that asks for TLS gets it also without this option.',
    environment: ['HANDOFF_NATS_CA', 'HANDOFF_NATS_CERT', 'HANDOFF_NATS_KEY'],
    flags: ['--nats-ca', '--nats-cert', '--nats-key'],
    isSecret: true,
  }),
  bulk: option(oneOf('auto', 'direct', 'broker'), {
    description:
      "How large results travel: `'direct'`: over TCP from host to host; `'broker'`: through the broker; `'auto'`: directly where a host can be reached.",
    default: 'auto',
  }),
};
