/** Options of `transport` from `HANDOFF_*` variables. Secrets may stand in files, which the variables name. */
import { readFileSync } from 'node:fs';
import { HandoffError } from '../../core/errors.ts';
import type { NatsTlsOptions } from '../../hosts/transport/nats/schema.ts';
import type { TlsOptions } from '../../hosts/transport/tcp/schema.ts';

interface Common {
  readonly host?: string;
  readonly port?: number;
  readonly secret?: string;
  readonly advertise?: string;
  readonly root?: string;
}

interface TcpVariables extends Common {
  readonly join?: readonly string[];
  readonly tls?: TlsOptions;
}

interface NatsVariables extends Common {
  readonly servers?: readonly string[];
  readonly namespace?: string;
  readonly user?: string;
  readonly pass?: string;
  readonly token?: string;
  readonly nkey?: string;
  readonly creds?: string;
  readonly tls?: NatsTlsOptions;
}

export function tcpFromEnvironment(env: NodeJS.ProcessEnv): TcpVariables {
  const { HANDOFF_JOIN, HANDOFF_TLS_CERT, HANDOFF_TLS_KEY, HANDOFF_TLS_CA } = env;
  const tls = [HANDOFF_TLS_CERT, HANDOFF_TLS_KEY, HANDOFF_TLS_CA].filter(Boolean).length;
  if (tls !== 0 && tls !== 3)
    throw new HandoffError(
      'INVALID_OPTION',
      'Only some of HANDOFF_TLS_CERT, HANDOFF_TLS_KEY and HANDOFF_TLS_CA are set. TLS needs all three: set the others too.',
      { option: 'tls' },
    );
  return {
    ...common(env),
    ...(HANDOFF_JOIN && { join: listOf(HANDOFF_JOIN) }),
    ...(HANDOFF_TLS_CERT &&
      HANDOFF_TLS_KEY &&
      HANDOFF_TLS_CA && {
        tls: {
          cert: read('HANDOFF_TLS_CERT', HANDOFF_TLS_CERT),
          key: read('HANDOFF_TLS_KEY', HANDOFF_TLS_KEY),
          ca: read('HANDOFF_TLS_CA', HANDOFF_TLS_CA),
        },
      }),
  };
}

export function natsFromEnvironment(env: NodeJS.ProcessEnv): NatsVariables {
  const { HANDOFF_NATS, HANDOFF_NATS_NAMESPACE, HANDOFF_NATS_USER } = env;
  const [pass, token] = [
    secretOf(env, 'HANDOFF_NATS_PASS', 'HANDOFF_NATS_PASS_FILE'),
    secretOf(env, 'HANDOFF_NATS_TOKEN', 'HANDOFF_NATS_TOKEN_FILE'),
  ];
  const [nkey, creds, ca, cert, key] = [
    fileOf(env, 'HANDOFF_NATS_NKEY'),
    fileOf(env, 'HANDOFF_NATS_CREDS'),
    fileOf(env, 'HANDOFF_NATS_CA'),
    fileOf(env, 'HANDOFF_NATS_CERT'),
    fileOf(env, 'HANDOFF_NATS_KEY'),
  ];
  if ((cert === undefined) !== (key === undefined))
    throw new HandoffError(
      'INVALID_OPTION',
      'Only one of HANDOFF_NATS_CERT and HANDOFF_NATS_KEY is set. A certificate needs both: set the other too.',
      { option: 'tls' },
    );
  const { host, ...others } = common(env);
  return {
    ...others,
    // A Unix socket is for hosts of this machine that join by its path.
    ...(host !== undefined && !host.startsWith('unix:') && { host }),
    ...(HANDOFF_NATS && { servers: listOf(HANDOFF_NATS) }),
    ...(HANDOFF_NATS_NAMESPACE && { namespace: HANDOFF_NATS_NAMESPACE }),
    ...(HANDOFF_NATS_USER && { user: HANDOFF_NATS_USER }),
    ...(pass !== undefined && { pass }),
    ...(token !== undefined && { token }),
    ...(nkey !== undefined && { nkey }),
    ...(creds !== undefined && { creds }),
    ...((ca !== undefined || cert !== undefined) && {
      tls: { ...(ca !== undefined && { ca }), ...(cert !== undefined && { cert, key }) },
    }),
  };
}

function common(env: NodeJS.ProcessEnv): Common {
  const { HANDOFF_HOST, HANDOFF_PORT, HANDOFF_ADVERTISE, HANDOFF_ROOT } = env;
  const secret = secretOf(env, 'HANDOFF_SECRET', 'HANDOFF_SECRET_FILE');
  return {
    ...(HANDOFF_HOST && { host: HANDOFF_HOST }),
    ...(HANDOFF_PORT && { port: Number(HANDOFF_PORT) }),
    ...(secret !== undefined && { secret }),
    ...(HANDOFF_ADVERTISE && { advertise: HANDOFF_ADVERTISE }),
    ...(HANDOFF_ROOT && { root: HANDOFF_ROOT }),
  };
}

function listOf(text: string): string[] {
  return text.split(',').map((each) => each.trim());
}

/** A secret in a variable, or in the file that another one names. */
function secretOf(env: NodeJS.ProcessEnv, variable: string, fileVariable: string): string | undefined {
  return env[variable] || fileOf(env, fileVariable);
}

/** The text of the file that a variable names. */
function fileOf(env: NodeJS.ProcessEnv, variable: string): string | undefined {
  const file = env[variable];
  if (!file) return undefined;
  const text = read(variable, file).trim();
  if (text === '')
    throw new HandoffError(
      'INVALID_OPTION',
      `${variable} names ${file}, which is empty. Name the file that holds the value.`,
      { option: variable },
    );
  return text;
}

function read(variable: string, file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new HandoffError(
      'INVALID_OPTION',
      `${variable} names ${file}, which cannot be read. Check the path and its permissions.`,
      {
        option: variable,
        cause,
      },
    );
  }
}
