/** Builds a Handoff from flags, the environment and the configuration file, in this order of precedence. */
import { HandoffError, isHandoffError } from '../core/errors.ts';
import { type Config, readConfig } from '../runtime/options/config.ts';
import { Handoff } from '../runtime/handoff.ts';
import type { DashboardOptions } from '../runtime/options/dashboard-options.ts';
import type { HandoffOptions } from '../runtime/options/handoff-options.ts';
import { withNatsVariables } from '../runtime/options/journal-options.ts';
import { isRecord } from '../core/values.ts';
import type {
  NatsTransportOptions,
  TcpTransportOptions,
  TransportOptions,
} from '../runtime/options/transport-options.ts';
import { dashboardBeside, reachable, takeToken, withDashboard } from './flags/dashboard-flags.ts';
import { unixPath } from '../hosts/transport/tcp/address.ts';
import { takeEnvironment, type TransportVariables } from './flags/environment.ts';
import { natsOf, usesNats } from './flags/nats-flags.ts';
import { describeError, ExitCode, exitCodeOf, UsageError } from './exit.ts';
import { defaultCacheDir, type HandoffFlags, journalOf, nodesOf, transportOf } from './flags/flags.ts';
import { defaultNode } from './flags/nodes.ts';
import { otherHosts } from './output/tree.ts';

/**
 * The part of a command in a cluster: a host offers nodes, an orchestrator runs a DAG (with other hosts if there are
 * any to join), a visitor only observes.
 */
export type Part = 'host' | 'orchestrator' | 'visitor';

/**
 * Starts a Handoff for a command. Output of functions goes to stderr, or to listeners of `function:log`.
 *
 * @param dashboard options of the dashboard, if the command has one
 * @throws `UsageError`
 * @throws what `Handoff.start` throws
 */
export async function startHandoff(
  flags: HandoffFlags,
  part: Part,
  dashboard = dashboardBeside(flags.dashboard),
): Promise<Handoff> {
  const config = await readConfig(flags.config);
  const merged = withDashboard(
    merge(flags, takeEnvironment(process.env), config.options, part),
    dashboard,
    takeToken(process.env),
    part === 'host',
  );
  const options = part === 'visitor' && dashboard !== undefined ? reachable(merged) : merged;
  try {
    const handoff = await Handoff.start({ ...options, output: part === 'orchestrator' ? 'events' : 'stderr' });
    if (handoff.dashboard !== undefined)
      process.stderr.write(
        `dashboard: ${handoff.dashboard.url}${options.dashboard?.token === undefined ? '' : ' (open it once with ?token=… added)'}\n`,
      );
    const join = options.transport?.type === 'tcp' ? (options.transport.join ?? []) : [];
    // Own nodes suffice for a run, but a user who gave --join should see that no host answered.
    if (join.length > 0 && otherHosts(handoff).length === 0) {
      process.stderr.write(
        `No host answers at ${join.join(', ')} yet. Starting without it; retrying in the background.\n`,
      );
    }
    return handoff;
  } catch (error) {
    throw withHint(error, config);
  }
}

/**
 * Starts a Handoff, lets the command use it, and stops it. An error during the stop, such as a failed write of learned
 * costs, is printed after the outcome of the command and does not hide it.
 *
 * @param use does the work of the command and resolves to the exit code
 * @throws what `startHandoff` and `use` throw
 */
export async function withHandoff(
  flags: HandoffFlags,
  part: Part,
  use: (handoff: Handoff) => Promise<number>,
  dashboard?: DashboardOptions,
): Promise<number> {
  const handoff = await startHandoff(flags, part, dashboard);
  const used = await settled(use(handoff));
  const stopped = await settled(handoff.stop());
  if (stopped.ok) {
    if (used.ok) return used.value;
    throw used.error;
  }
  if (!used.ok) process.stderr.write(`${describeError(used.error)}\n`);
  process.stderr.write(
    `${flags.costModel === undefined ? '' : `--cost-model ${flags.costModel}: `}${describeError(stopped.error)}\n`,
  );
  const code = used.ok ? used.value : exitCodeOf(used.error);
  return code === ExitCode.done ? ExitCode.functionFailed : code;
}

/** The outcome of a promise. */
export type Settled<Value> =
  { readonly ok: true; readonly value: Value } | { readonly ok: false; readonly error: unknown };

export async function settled<Value>(promise: Promise<Value>): Promise<Settled<Value>> {
  try {
    return { ok: true, value: await promise };
  } catch (error) {
    return { ok: false, error };
  }
}

/**
 * Merges options by precedence: flags, environment, configuration file. An orchestrator that joins a cluster, and a
 * visitor, take nodes and the address to listen at only from flags. The environment and the configuration file describe
 * the host that `handoff node` starts here; its port and node names are taken.
 *
 * @throws `UsageError` if an address is missing, or if a flag would have no effect
 */
export function merge(
  flags: HandoffFlags,
  environment: TransportVariables,
  config: HandoffOptions,
  part: Part,
): HandoffOptions {
  if (config.transport !== undefined && !isRecord(config.transport)) return config; // Handoff.start refuses it
  const isNats = usesNats(flags, { ...environment.tcp, ...environment.nats }, config);
  const { transport, joinsOnly } = isNats
    ? natsTransport(flags, environment.nats, config, part)
    : tcpTransport(flags, environment.tcp, config, part);
  const nodes = nodesOf(flags) ?? (joinsOnly ? [] : nodesOfHost(config, part));
  const { transport: _transport, nodes: _nodes, ...rest } = config;
  const merged: HandoffOptions = {
    ...rest,
    ...orchestrationOf(flags, config, part),
    ...(nodes !== undefined && { nodes }),
    ...(transport !== undefined && { transport }),
    ...cacheOf(flags, config),
    ...optionsOfFlags(flags),
  };
  if (!isRecord(merged.journal)) return merged;
  return { ...merged, journal: withNatsVariables(merged.journal, environment.nats) };
}

interface MergedTransport {
  /** Undefined when the command works alone. */
  readonly transport: TransportOptions | undefined;
  /** Whether it only uses other hosts. */
  readonly joinsOnly: boolean;
}

/** Hosts find each other at the server, so none needs an address. */
function natsTransport(
  flags: HandoffFlags,
  environment: Partial<NatsTransportOptions>,
  config: HandoffOptions,
  part: Part,
): MergedTransport {
  const { transport: configured } = config;
  const all = { ...(configured?.type === 'nats' && configured), ...environment };
  const { host: _host, port: _port, advertise: _advertise, ...elsewhere } = all;
  const joinsOnly = part !== 'host';
  return { joinsOnly, transport: { ...(joinsOnly ? elsewhere : all), ...natsOf(flags), type: 'nats' } };
}

function tcpTransport(
  flags: HandoffFlags,
  environment: Partial<TcpTransportOptions>,
  config: HandoffOptions,
  part: Part,
): MergedTransport {
  refuseNats(flags);
  const byFlags = transportOf(flags);
  const { host: _host, port: _port, advertise: _advertise, ...elsewhere } = given(config, environment);
  const joins = ((byFlags.join ?? elsewhere.join)?.length ?? 0) > 0;
  const joinsOnly = part === 'visitor' || (part === 'orchestrator' && joins);
  const others = joinsOnly ? elsewhere : given(config, environment);
  const transport = ofOnePlace({ ...others, ...byFlags, type: 'tcp' });
  checkAddresses(part, joins, transport);
  const isAlone = part === 'orchestrator' && !joins && flags.listen === undefined && config.transport === undefined;
  if (isAlone) refuseUseless(byFlags);
  return { transport: isAlone ? undefined : transport, joinsOnly };
}

function given({ transport }: HandoffOptions, environment: Partial<TcpTransportOptions>): Partial<TcpTransportOptions> {
  return { ...(transport?.type !== 'nats' && transport), ...environment };
}

/** @throws `UsageError` if a flag for a NATS server has no effect, because no server is given */
function refuseNats(flags: HandoffFlags): void {
  const useless = Object.keys(flags).find(
    (name) => name.startsWith('nats') && flags[name as keyof HandoffFlags] !== undefined,
  );
  if (useless !== undefined)
    throw new UsageError(
      `--nats URL is missing. Without a NATS server, --${useless.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)} has no effect.`,
    );
}

/** Only a host works for others. */
function orchestrationOf(flags: HandoffFlags, config: HandoffOptions, part: Part): Pick<HandoffOptions, 'orchestrate'> {
  return part !== 'host' && (flags.journal ?? config.journal) !== undefined ? { orchestrate: false } : {};
}

/** A run with the cache needs a folder for it. */
function cacheOf({ cache, cacheDir, journal }: HandoffFlags, config: HandoffOptions): Pick<HandoffOptions, 'cacheDir'> {
  if (cacheDir !== undefined) return { cacheDir };
  const isElsewhere = (journal ?? config.journal ?? config.cacheDir) !== undefined;
  return cache === true && !isElsewhere ? { cacheDir: defaultCacheDir } : {};
}

/** @throws `UsageError` if a visitor has no host to join, or a host no address to listen at */
function checkAddresses(part: Part, joins: boolean, transport: TransportOptions): void {
  if (part === 'visitor' && !joins) {
    throw new UsageError(
      '--join HOST:PORT or --nats URL is missing. Give the address of a host of the cluster, or of a NATS server (or set HANDOFF_JOIN or HANDOFF_NATS, or use the configuration file).',
    );
  }
  if (part === 'host' && transport.port === undefined && !listensOnUnix(transport)) {
    throw new UsageError(
      '--listen HOST:PORT, or unix:/PATH, is missing. Give the address where others reach this host, or --nats URL ' +
        '(or set HANDOFF_HOST and HANDOFF_PORT, or use the configuration file).',
    );
  }
}

/** @throws `UsageError` if a flag of the transport has no effect, because the command neither joins nor listens */
function refuseUseless(byFlags: Partial<TcpTransportOptions>): void {
  const [useless] = Object.keys(byFlags);
  if (useless !== undefined)
    throw new UsageError(
      `--join HOST:PORT, --listen HOST:PORT or --nats URL is missing. Without other hosts, ${useless} has no effect.`,
    );
}

function nodesOfHost(config: HandoffOptions, part: Part): HandoffOptions['nodes'] {
  return config.nodes ?? (part === 'host' ? [defaultNode()] : undefined);
}

/** Options that a flag sets directly. `Handoff.start` refuses an unknown strategy, because it knows all of them. */
function optionsOfFlags({ strategy, allowSource, costModel, journal }: HandoffFlags): HandoffOptions {
  return {
    ...(strategy !== undefined && {
      allocationStrategy: strategy as NonNullable<HandoffOptions['allocationStrategy']>,
    }),
    ...(allowSource === true && { allowSource: true }),
    ...(costModel !== undefined && { costModel: { file: costModel } }),
    ...(journal !== undefined && { journal: journalOf(journal) }),
  };
}

/** A Unix socket as host overrides a port that comes from elsewhere. */
function ofOnePlace(transport: TransportOptions): TransportOptions {
  if (!listensOnUnix(transport)) return transport;
  const { port: _port, ...others } = transport;
  return others;
}

function listensOnUnix({ host }: TransportOptions): boolean {
  return typeof host === 'string' && unixPath(host) !== undefined;
}

/** Adds a hint about flags to an error of options. */
function withHint(error: unknown, { file }: Config): unknown {
  if (!(error instanceof HandoffError)) return error;
  const isAboutSecret = error.code === 'UNAUTHORIZED' || (error.code === 'INVALID_OPTION' && error.option === 'secret');
  const hints = [
    isAboutSecret
      ? 'Set the secret by HANDOFF_SECRET, HANDOFF_SECRET_FILE or --secret-file, certificates by --tls-cert, --tls-key and --tls-ca.'
      : '',
    isHandoffError(error, 'INVALID_OPTION') && file !== undefined ? `(${file} sets options, too.)` : '',
  ].filter((hint) => hint !== '');
  if (hints.length === 0) return error;
  const { code, message, cause, option } = error;
  return new HandoffError(code, [message.replace(/[^.]$/, '$&.'), ...hints].join(' '), {
    ...(cause !== undefined && { cause }),
    ...(option !== undefined && { option }),
  });
}
