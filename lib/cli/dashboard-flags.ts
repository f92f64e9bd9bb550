/** What flags and the environment say of the dashboard. */
import { readFileSync } from 'node:fs';
import type { DashboardOptions } from '../runtime/options/dashboard-options.ts';
import type { HandoffOptions } from '../runtime/options/handoff-options.ts';
import { isRecord } from '../core/schema.ts';
import { isLoopback, machineOf, unixPath } from '../hosts/transport/tcp/address.ts';
import { UsageError } from './exit.ts';

/** Those of `handoff dashboard`. */
export interface DashboardFlags {
  readonly port?: string;
  readonly host?: string;
  readonly tokenFile?: string;
}

/** @throws `UsageError` */
export function dashboardOf({ port, host, tokenFile }: DashboardFlags): DashboardOptions {
  return {
    ...(port !== undefined && { port: parsePort('--port', port) }),
    ...(host !== undefined && { host }),
    ...(tokenFile !== undefined && { token: readToken(tokenFile) }),
  };
}

/**
 * `--dashboard [port]` of other commands. Undefined: none is asked for.
 *
 * @throws `UsageError`
 */
export function dashboardBeside(flag: string | boolean | undefined): DashboardOptions | undefined {
  if (flag === undefined || flag === false) return undefined;
  return flag === true ? {} : { port: parsePort('--dashboard', flag) };
}

/** Takes the token out of the environment: the functions that run here have no business with it. */
export function takeToken(env: NodeJS.ProcessEnv): Pick<DashboardOptions, 'token'> {
  const { HANDOFF_DASHBOARD_TOKEN: token } = env;
  delete env['HANDOFF_DASHBOARD_TOKEN'];
  return token ? { token } : {};
}

function parsePort(flag: string, text: string): number {
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port > 65535) throw new UsageError(`${flag}: ${JSON.stringify(text)} is no port: 0 to 65535, such as 7430, or 0 for any.`);
  return port;
}

function readToken(file: string): string {
  let token: string;
  try {
    token = readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw new UsageError(`--token-file: ${file} cannot be read: ${(error as Error).message}.`);
  }
  if (token === '') throw new UsageError(`--token-file: ${file} is empty. Put a long random text there, such as openssl rand -hex 32 gives.`);
  return token;
}

/**
 * Options with the dashboard that is asked for, if one is. What the configuration file says of it describes that of the host that
 * `handoff node` starts here: other commands open one when they are told to.
 *
 * @param asked by flags
 */
export function withDashboard(options: HandoffOptions, asked: DashboardOptions | undefined, environment: DashboardOptions, isHost: boolean): HandoffOptions {
  const { dashboard: configured, ...rest } = options;
  if (asked === undefined && (!isHost || configured === undefined)) return rest;
  if (isHost && configured !== undefined && !isRecord(configured as unknown)) return options; // to be refused
  return { ...rest, dashboard: { ...(isHost && configured), ...environment, ...asked } };
}

/**
 * Hosts that do not listen, as most are that run a DAG, dial those that do: to be told of their runs, whoever shows them has to listen, too.
 * On one machine it can do so by itself; where others are to dial it only `--listen` can say.
 */
export function reachable(options: HandoffOptions): HandoffOptions {
  const { transport } = options;
  if (transport === undefined || transport.port !== undefined || (transport.host !== undefined && unixPath(transport.host) !== undefined)) return options;
  const { join = [] } = transport;
  // Beside the socket of one to join, as nobody else may be let in by a port of this machine.
  const [beside] = join.flatMap((address) => unixPath(address) ?? []);
  if (beside !== undefined) return { ...options, transport: { ...transport, host: `unix:${beside}.${process.pid}` } };
  const isNear = join.length > 0 && join.every((address) => isLoopback(machineOf(address) ?? ''));
  if (isNear) return { ...options, transport: { ...transport, host: '127.0.0.1', port: 0 } };
  process.stderr.write('Runs of hosts that do not listen, such as handoff run without --listen, are not seen: give --listen HOST:PORT, where they can reach this host.\n');
  return options;
}
