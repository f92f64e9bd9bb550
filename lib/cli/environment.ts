/** `HANDOFF_*`: what the environment says of the transport. */
import { resolveTransport, type TransportOptions } from '../runtime/options/transport-options.ts';
import { UsageError } from './exit.ts';
import { checkTogether } from './flags.ts';

const variables = {
  host: ['HANDOFF_HOST'], port: ['HANDOFF_PORT'], join: ['HANDOFF_JOIN'], secret: ['HANDOFF_SECRET', 'HANDOFF_SECRET_FILE'],
  advertise: ['HANDOFF_ADVERTISE'], root: ['HANDOFF_ROOT'], tls: ['HANDOFF_TLS_CERT', 'HANDOFF_TLS_KEY', 'HANDOFF_TLS_CA'],
} as const satisfies Partial<Record<keyof TransportOptions, readonly string[]>>;

/**
 * Takes the variables out of the environment. For a program what it gives counts more than they do; for the command they count more than the
 * configuration file, so it merges them itself. And the functions that run here have no business with the secret.
 *
 * @throws `UsageError`, `INVALID_OPTION`
 */
export function takeEnvironment(env: NodeJS.ProcessEnv): Partial<TransportOptions> {
  const taken: NodeJS.ProcessEnv = {};
  for (const name of Object.values(variables).flat()) {
    if (env[name]) taken[name] = env[name]; // one that is empty is not set
    delete env[name];
  }
  checkTogether(Object.fromEntries(variables.tls.map((name) => [name, taken[name]])));
  const all = resolveTransport({ type: 'tcp' }, taken);
  if (taken['HANDOFF_SECRET_FILE'] !== undefined && all.secret === undefined) throw new UsageError(`HANDOFF_SECRET_FILE names ${taken['HANDOFF_SECRET_FILE']}, which is empty.`);
  const given = Object.keys(variables).filter((option) => variables[option as keyof typeof variables].some((name) => name in taken));
  return Object.fromEntries(given.map((option) => [option, all[option as keyof typeof variables]]));
}
