/** The option `dashboard`: a web page that shows running DAGs. */
import type * as v from 'valibot';
import { HandoffError } from '../../core/errors.ts';
import { boolean, portNumber, text } from '../../core/option-types.ts';
import { option, optionSet, parseOptions } from '../../core/options.ts';
import { isLoopback } from '../../hosts/transport/tcp/address.ts';

export interface DashboardOptions {
  /** The port to listen on; 0: any free port. `handoff.dashboard` says which. Default 7430. */
  readonly port?: number | undefined;
  /** The address to listen on; addresses that other machines can reach need a `token`. Default `'127.0.0.1'`. */
  readonly host?: string | undefined;
  /**
   * The token that requests must carry, as `http://…/?token=…` or `Authorization: Bearer …`. Environment:
   * `HANDOFF_DASHBOARD_TOKEN`.
   */
  readonly token?: string | undefined;
  /**
   * Prometheus metrics of all hosts at `/metrics`: `true` counts from the start, `false` turns them off. Default:
   * counts from the first request.
   */
  readonly metrics?: boolean | undefined;
}

export type ResolvedDashboard = v.InferOutput<typeof dashboardSchema>;

export const dashboardSchema = optionSet({
  port: option(portNumber, {
    description: 'The port to listen on; 0: any free port.',
    details: '`handoff.dashboard` says which.',
    default: 7430,
    flags: ['--dashboard', '--port'],
  }),
  host: option(text(), {
    description: 'The address to listen on; addresses that other machines can reach need a `token`.',
    default: '127.0.0.1',
    flags: ['--host'],
  }),
  // It is used unescaped in a URL and a header.
  token: option(
    text('printable characters without spaces, at least one', (token) => /^[\u0021-\u007e]+$/.test(token)),
    {
      description: 'The token that requests must carry, as `http://…/?token=…` or `Authorization: Bearer …`.',
      environment: ['HANDOFF_DASHBOARD_TOKEN'],
      flags: ['--token-file'],
      isSecret: true,
    },
  ),
  metrics: option(boolean, {
    description: 'Prometheus metrics of all hosts at `/metrics`: `true` counts from the start, `false` turns them off.',
    otherwise: 'counts from the first request',
  }),
});

/**
 * Combines the given options, the environment and defaults, in this order.
 *
 * @throws `INVALID_OPTION` when an option is unknown or has a bad value, or when a token is missing
 */
export function resolveDashboard(given: DashboardOptions, env: NodeJS.ProcessEnv = process.env): ResolvedDashboard {
  const where = 'Handoff.start: dashboard';
  parseOptions(where, dashboardSchema, given);
  const environment = env['HANDOFF_DASHBOARD_TOKEN'] || undefined;
  const all = { ...given, token: given.token ?? environment };
  const resolved = parseOptions(`${where} (from HANDOFF_DASHBOARD_TOKEN)`, dashboardSchema, all);
  const { host, token } = resolved;
  if (token === undefined && !isLoopback(host)) {
    throw new HandoffError(
      'INVALID_OPTION',
      `${where}: host ${host} can be reached from other machines, so a token is needed. Set a long random one by the option token or by HANDOFF_DASHBOARD_TOKEN.`,
      { option: 'token' },
    );
  }
  return resolved;
}
