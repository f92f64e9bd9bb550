/** Options of the dashboard from flags and the environment. */
import { readFileSync } from 'node:fs';
import type { DashboardOptions } from '../../runtime/options/dashboard-options.ts';
import type { HandoffOptions } from '../../runtime/options/handoff-options.ts';
import { isRecord } from '../../core/values.ts';
import { isLoopback, machineOf, unixPath } from '../../hosts/transport/tcp/address.ts';
import { UsageError } from '../exit.ts';

/** Flags of `handoff dashboard`. */
export interface DashboardFlags {
  readonly port?: string;
  readonly host?: string;
  readonly tokenFile?: string;
}

/** @throws `UsageError` if the port is invalid or the token file cannot be read */
export function dashboardOf({ port, host, tokenFile }: DashboardFlags): DashboardOptions {
  return {
    ...(port !== undefined && { port: parsePort('--port', port) }),
    ...(host !== undefined && { host }),
    ...(tokenFile !== undefined && { token: readToken(tokenFile) }),
  };
}

/**
 * `--dashboard [port]` of other commands.
 *
 * @returns undefined if the flag is not set
 * @throws `UsageError` if the port is invalid
 */
export function dashboardBeside(flag: string | boolean | undefined): DashboardOptions | undefined {
  if (flag === undefined || flag === false) return undefined;
  return flag === true ? {} : { port: parsePort('--dashboard', flag) };
}

/** Removes the token from the environment, so that functions that run here cannot read it. */
export function takeToken(env: NodeJS.ProcessEnv): Pick<DashboardOptions, 'token'> {
  const { HANDOFF_DASHBOARD_TOKEN: token } = env;
  delete env['HANDOFF_DASHBOARD_TOKEN'];
  return token ? { token } : {};
}

function parsePort(flag: string, text: string): number {
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port > 65535)
    throw new UsageError(
      `${flag}: ${JSON.stringify(text)} is not a port. Give a number from 0 to 65535, such as 7430, or 0 for any free port.`,
    );
  return port;
}

function readToken(file: string): string {
  let token: string;
  try {
    token = readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw new UsageError(`--token-file: ${file} cannot be read: ${(error as Error).message}.`);
  }
  if (token === '')
    throw new UsageError(
      `--token-file: ${file} is empty. Put a long random text there, such as the output of openssl rand -hex 32.`,
    );
  return token;
}

/**
 * Adds the dashboard to the options if one is wanted. `dashboard` in the configuration file describes the dashboard of
 * `handoff node` on this machine. Other commands open one only if a flag asks for it.
 *
 * @param asked dashboard options from flags
 * @param environment dashboard options from the environment
 * @param isHost whether the command is `handoff node`
 */
export function withDashboard(
  options: HandoffOptions,
  asked: DashboardOptions | undefined,
  environment: DashboardOptions,
  isHost: boolean,
): HandoffOptions {
  const { dashboard: configured, ...rest } = options;
  if (asked === undefined && (!isHost || configured === undefined)) return rest;
  // Handoff.start refuses it.
  if (isHost && configured !== undefined && !isRecord(configured as unknown)) return options;
  return { ...rest, dashboard: { ...(isHost && configured), ...environment, ...asked } };
}

/**
 * Makes a dashboard reachable for hosts that do not listen. Such hosts (most that run a DAG) only dial hosts that
 * listen, so the dashboard has to listen to see their runs. On one machine it chooses an address by itself; across
 * machines the user gives `--listen`.
 */
export function reachable(options: HandoffOptions): HandoffOptions {
  const { transport } = options;
  if (
    transport === undefined ||
    transport.type === 'nats' ||
    transport.port !== undefined ||
    (transport.host !== undefined && unixPath(transport.host) !== undefined)
  )
    return options;
  const { join = [] } = transport;
  // A socket beside the one to join: a TCP port would let other users of this machine in.
  const [beside] = join.flatMap((address) => unixPath(address) ?? []);
  if (beside !== undefined) return { ...options, transport: { ...transport, host: `unix:${beside}.${process.pid}` } };
  const isNear = join.length > 0 && join.every((address) => isLoopback(machineOf(address) ?? ''));
  if (isNear) return { ...options, transport: { ...transport, host: '127.0.0.1', port: 0 } };
  process.stderr.write(
    'The dashboard does not show runs of hosts that do not listen, such as handoff run without --listen. ' +
      'To see them, give --listen HOST:PORT with an address where they can reach this host.\n',
  );
  return options;
}
