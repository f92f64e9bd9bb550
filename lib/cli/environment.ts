/** `HANDOFF_*`: transport options from the environment. */
import { resolveTransport, type TcpTransportOptions } from '../runtime/options/transport-options.ts';
import { UsageError } from './exit.ts';
import { checkTogether } from './flags.ts';

const variables = {
  host: ['HANDOFF_HOST'],
  port: ['HANDOFF_PORT'],
  join: ['HANDOFF_JOIN'],
  secret: ['HANDOFF_SECRET', 'HANDOFF_SECRET_FILE'],
  advertise: ['HANDOFF_ADVERTISE'],
  root: ['HANDOFF_ROOT'],
  tls: ['HANDOFF_TLS_CERT', 'HANDOFF_TLS_KEY', 'HANDOFF_TLS_CA'],
} as const satisfies Partial<Record<keyof TcpTransportOptions, readonly string[]>>;

/**
 * Removes the variables from the environment, so that functions that run here cannot read the secret. In a program,
 * options override the variables. In the command, the variables override the configuration file, so the command merges
 * them itself.
 *
 * @throws `UsageError` if the secret file is empty
 * @throws INVALID_OPTION if a variable has an invalid value
 */
export function takeEnvironment(env: NodeJS.ProcessEnv): Partial<TcpTransportOptions> {
  const taken: NodeJS.ProcessEnv = {};
  for (const name of Object.values(variables).flat()) {
    if (env[name]) taken[name] = env[name]; // an empty variable counts as not set
    delete env[name];
  }
  checkTogether(Object.fromEntries(variables.tls.map((name) => [name, taken[name]])));
  const all = resolveTransport({ type: 'tcp' }, taken);
  if (taken['HANDOFF_SECRET_FILE'] !== undefined && all.secret === undefined)
    throw new UsageError(
      `HANDOFF_SECRET_FILE: ${taken['HANDOFF_SECRET_FILE']} is empty. Put a long random text there.`,
    );
  const given = Object.keys(variables).filter((option) =>
    variables[option as keyof typeof variables].some((name) => name in taken),
  );
  return Object.fromEntries(given.map((option) => [option, all[option as keyof typeof variables]]));
}
