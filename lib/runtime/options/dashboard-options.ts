/** The option `dashboard`: a web page that shows running DAGs. */
import { HandoffError } from '../../core/errors.ts';
import { isLoopback } from '../../hosts/transport/tcp/address.ts';
import { checkOptions, invalidOption, isRecord, type Rule, type Schema } from '../../core/schema.ts';

export interface DashboardOptions {
  /** The port to listen on. 0: any free port, see `handoff.dashboard`. Default 7430. */
  readonly port?: number | undefined;
  /** The address to listen on. Default `'127.0.0.1'`. Addresses that other machines can reach need a `token`. */
  readonly host?: string | undefined;
  /**
   * The token that requests must carry, as `http://…/?token=…` or `Authorization: Bearer …`. Default none. Environment:
   * `HANDOFF_DASHBOARD_TOKEN`.
   */
  readonly token?: string | undefined;
  /**
   * Prometheus metrics at `/metrics`: `true` counts from the start, `false` turns them off. Default: counts from the
   * first request.
   */
  readonly metrics?: boolean | undefined;
}

export interface ResolvedDashboard {
  readonly port: number;
  readonly host: string;
  readonly token: string | undefined;
  readonly metrics: boolean | undefined;
}

export const defaultDashboardPort = 7430;
export const dashboardExpected = '{ port?, host?, token?, metrics? }';
const where = 'Handoff.start: dashboard';
const text: Rule = {
  expected: 'a string that is not empty',
  holds: (value) => typeof value === 'string' && value !== '',
};

const schema: Schema<DashboardOptions> = {
  port: {
    expected: 'a port, 0 to 65535',
    holds: (value) => Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 65535,
  },
  host: text,
  // It is used unescaped in a URL and a header.
  token: {
    expected: 'printable characters without spaces, at least one',
    holds: (value) => typeof value === 'string' && /^[\u0021-\u007e]+$/.test(value),
  },
  metrics: { expected: 'true or false', holds: (value) => typeof value === 'boolean' },
};

/**
 * Combines the given options, the environment and defaults, in this order.
 *
 * @throws `INVALID_OPTION` when an option is unknown or has a bad value, or when a token is missing
 */
export function resolveDashboard(given: DashboardOptions, env: NodeJS.ProcessEnv = process.env): ResolvedDashboard {
  if (!isRecord(given as unknown)) throw invalidOption('Handoff.start', 'dashboard', dashboardExpected, given);
  const token = given.token ?? (env['HANDOFF_DASHBOARD_TOKEN'] || undefined);
  // never the value
  if (token !== undefined && !schema.token.holds(token))
    throw invalidOption(where, 'token', schema.token.expected, typeof token);
  checkOptions(where, schema, given);
  const { port = defaultDashboardPort, host = '127.0.0.1', metrics } = given;
  if (token === undefined && !isLoopback(host)) {
    throw new HandoffError(
      'INVALID_OPTION',
      `${where}: host ${host} can be reached from other machines, so a token is needed. Set a long random one by the option token or by HANDOFF_DASHBOARD_TOKEN.`,
      { option: 'token' },
    );
  }
  return { port, host, token, metrics };
}
