/** `HANDOFF_*`: transport options from the environment. */
import {
  type NatsTransportOptions,
  resolveTransport,
  type TcpTransportOptions,
} from '../../runtime/options/transport-options.ts';
import { checkTogether } from './flags.ts';

const common = {
  host: ['HANDOFF_HOST'],
  port: ['HANDOFF_PORT'],
  secret: ['HANDOFF_SECRET', 'HANDOFF_SECRET_FILE'],
  advertise: ['HANDOFF_ADVERTISE'],
  root: ['HANDOFF_ROOT'],
} as const;

const tcp = {
  ...common,
  join: ['HANDOFF_JOIN'],
  tls: ['HANDOFF_TLS_CERT', 'HANDOFF_TLS_KEY', 'HANDOFF_TLS_CA'],
} as const satisfies Partial<Record<keyof TcpTransportOptions, readonly string[]>>;

const nats = {
  ...common,
  servers: ['HANDOFF_NATS'],
  namespace: ['HANDOFF_NATS_NAMESPACE'],
  user: ['HANDOFF_NATS_USER'],
  pass: ['HANDOFF_NATS_PASS', 'HANDOFF_NATS_PASS_FILE'],
  token: ['HANDOFF_NATS_TOKEN', 'HANDOFF_NATS_TOKEN_FILE'],
  nkey: ['HANDOFF_NATS_NKEY'],
  creds: ['HANDOFF_NATS_CREDS'],
  tls: ['HANDOFF_NATS_CA', 'HANDOFF_NATS_CERT', 'HANDOFF_NATS_KEY'],
} as const satisfies Partial<Record<keyof NatsTransportOptions, readonly string[]>>;

/** What the environment says about each transport. */
export interface TransportVariables {
  readonly tcp: Partial<TcpTransportOptions>;
  readonly nats: Partial<NatsTransportOptions>;
}

/**
 * Removes the variables from the environment, so that functions that run here cannot read the secret. In a program,
 * options override the variables. In the command, the variables override the configuration file, so the command merges
 * them itself.
 *
 * @throws `UsageError` if only some of the variables for TLS are set
 * @throws INVALID_OPTION if a variable has an invalid value
 */
export function takeEnvironment(env: NodeJS.ProcessEnv): TransportVariables {
  const taken: NodeJS.ProcessEnv = {};
  for (const name of [...Object.values(tcp), ...Object.values(nats)].flat()) {
    if (env[name]) taken[name] = env[name]; // an empty variable counts as not set
    delete env[name];
  }
  checkTogether(Object.fromEntries(tcp.tls.map((name) => [name, taken[name]])));
  const servers = taken['HANDOFF_NATS'] === undefined ? { servers: '127.0.0.1' } : {};
  return {
    tcp: given(tcp, resolveTransport({ type: 'tcp' }, taken), taken),
    nats: given(nats, resolveTransport({ type: 'nats', ...servers }, taken), taken),
  };
}

/** The options that variables have set. */
function given<Name extends string>(
  variables: Readonly<Record<Name, readonly string[]>>,
  all: object,
  taken: NodeJS.ProcessEnv,
): object {
  const names = (Object.keys(variables) as Name[]).filter((option) => variables[option].some((name) => name in taken));
  return Object.fromEntries(names.map((option) => [option, (all as Record<Name, unknown>)[option]]));
}
