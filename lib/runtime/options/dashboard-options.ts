/** The option `dashboard`: a page that shows what runs. */
import { HandoffError } from '../../core/errors.ts';
import { isLoopback } from '../../hosts/transport/tcp/address.ts';
import { checkOptions, invalidOption, isRecord, type Rule, type Schema } from '../../core/schema.ts';

export interface DashboardOptions {
  /** The port to listen on; 0: any, see `handoff.dashboard`. Default 7430. */
  readonly port?: number | undefined;
  /** Where to listen. Default `'127.0.0.1'`; anything that others can reach needs a `token`. */
  readonly host?: string | undefined;
  /** What whoever looks must know: `http://…/?token=…`, or `Authorization: Bearer …`. Default: nothing. `HANDOFF_DASHBOARD_TOKEN`. */
  readonly token?: string | undefined;
  /** Whether `/metrics` tells what Prometheus reads: `true` counts from the start. Default: from when it is first asked for. */
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
const text: Rule = { expected: 'a string that is not empty', holds: (value) => typeof value === 'string' && value !== '' };

const schema: Schema<DashboardOptions> = {
  port: { expected: 'a port, 0 to 65535', holds: (value) => Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 65535 },
  host: text,
  // It goes into an address and a header as it is.
  token: { expected: 'printable characters without spaces, at least one', holds: (value) => typeof value === 'string' && /^[\u0021-\u007e]+$/.test(value) },
  metrics: { expected: 'true or false', holds: (value) => typeof value === 'boolean' },
};

/**
 * What was given, then what the environment says, then defaults.
 *
 * @throws `INVALID_OPTION`
 */
export function resolveDashboard(given: DashboardOptions, env: NodeJS.ProcessEnv = process.env): ResolvedDashboard {
  if (!isRecord(given as unknown)) throw invalidOption('Handoff.start', 'dashboard', dashboardExpected, given);
  const token = given.token ?? (env['HANDOFF_DASHBOARD_TOKEN'] || undefined);
  if (token !== undefined && !schema.token.holds(token)) throw invalidOption(where, 'token', schema.token.expected, typeof token); // never the value
  checkOptions(where, schema, given);
  const { port = defaultDashboardPort, host = '127.0.0.1', metrics } = given;
  if (token === undefined && !isLoopback(host)) {
    throw new HandoffError('INVALID_OPTION', `${where}: others can reach ${host}, so a token is needed: option token, or HANDOFF_DASHBOARD_TOKEN. Make it long and random.`, { option: 'token' });
  }
  return { port, host, token, metrics };
}
