/** From flags, the environment and the configuration file, in this order of precedence, to a Handoff. */
import { HandoffError, isHandoffError } from '../core/errors.ts';
import { type Config, readConfig } from '../runtime/options/config.ts';
import { Handoff } from '../runtime/handoff.ts';
import type { DashboardOptions } from '../runtime/options/dashboard-options.ts';
import type { HandoffOptions } from '../runtime/options/handoff-options.ts';
import { isRecord } from '../core/schema.ts';
import type { TransportOptions } from '../runtime/options/transport-options.ts';
import { dashboardBeside, reachable, takeToken, withDashboard } from './dashboard-flags.ts';
import { unixPath } from '../hosts/transport/tcp/address.ts';
import { takeEnvironment } from './environment.ts';
import { describeError, ExitCode, exitCodeOf, UsageError } from './exit.ts';
import { type HandoffFlags, nodesOf, transportOf } from './flags.ts';
import { defaultNode } from './nodes.ts';
import { otherHosts } from './tree.ts';

/**
 * What a command is in a cluster: a host that others use, an orchestrator that runs a DAG, with others where there are some to join, or a
 * visitor that only looks.
 */
export type Part = 'host' | 'orchestrator' | 'visitor';

/**
 * Starts what a command needs. Whatever functions print goes to stderr, or to whoever listens to `function:log`.
 *
 * @param dashboard that the command is about
 * @throws `UsageError`, and as `Handoff.start`
 */
export async function startHandoff(flags: HandoffFlags, part: Part, dashboard = dashboardBeside(flags.dashboard)): Promise<Handoff> {
  const config = await readConfig(flags.config);
  const merged = withDashboard(merge(flags, takeEnvironment(process.env), config.options, part), dashboard, takeToken(process.env), part === 'host');
  const options = part === 'visitor' && dashboard !== undefined ? reachable(merged) : merged;
  try {
    const handoff = await Handoff.start({ ...options, output: part === 'orchestrator' ? 'events' : 'stderr' });
    if (handoff.dashboard !== undefined) process.stderr.write(`dashboard: ${handoff.dashboard.url}${options.dashboard?.token === undefined ? '' : ' (open it once with ?token=… added)'}\n`);
    const join = options.transport?.join ?? [];
    // Who has nodes of its own does not need others; but whoever named some wants to know.
    if (join.length > 0 && otherHosts(handoff).length === 0) process.stderr.write(`Nobody answers at ${join.join(', ')} yet: going on without, and trying again and again.\n`);
    return handoff;
  } catch (error) {
    throw withHint(error, config);
  }
}

/**
 * Starts what a command needs, and stops it afterwards. What fails while it stops, such as keeping what was learned, is said after what the
 * command came to, and hides none of it.
 *
 * @param use does the work of the command; gives the exit code
 * @throws as `startHandoff`, and as `use`
 */
export async function withHandoff(flags: HandoffFlags, part: Part, use: (handoff: Handoff) => Promise<number>, dashboard?: DashboardOptions): Promise<number> {
  const handoff = await startHandoff(flags, part, dashboard);
  const used = await settled(use(handoff));
  const stopped = await settled(handoff.stop());
  if (stopped.ok) {
    if (used.ok) return used.value;
    throw used.error;
  }
  if (!used.ok) process.stderr.write(`${describeError(used.error)}\n`);
  process.stderr.write(`${flags.costModel === undefined ? '' : `--cost-model ${flags.costModel}: `}${describeError(stopped.error)}\n`);
  const code = used.ok ? used.value : exitCodeOf(used.error);
  return code === ExitCode.done ? ExitCode.functionFailed : code;
}

/** How a promise has settled. */
export type Settled<Value> = { readonly ok: true; readonly value: Value } | { readonly ok: false; readonly error: unknown };

export async function settled<Value>(promise: Promise<Value>): Promise<Settled<Value>> {
  try {
    return { ok: true, value: await promise };
  } catch (error) {
    return { ok: false, error };
  }
}

/**
 * Who joins a cluster to use it has nodes of its own and listens only as flags say: what the environment and the configuration file say of
 * that describes the host that `handoff node` starts here, and would take its port and its names.
 *
 * @throws `UsageError`
 */
export function merge(flags: HandoffFlags, environment: Partial<TransportOptions>, config: HandoffOptions, part: Part): HandoffOptions {
  if (config.transport !== undefined && !isRecord(config.transport)) return config; // to be refused
  const byFlags = transportOf(flags);
  const { host: _host, port: _port, advertise: _advertise, ...elsewhere } = { ...config.transport, ...environment };
  const joins = ((byFlags.join ?? elsewhere.join)?.length ?? 0) > 0;
  const isGuest = part === 'visitor' || (part === 'orchestrator' && joins);
  const transport = ofOnePlace({ ...(isGuest ? elsewhere : { ...config.transport, ...environment }), ...byFlags, type: config.transport?.type ?? 'tcp' });
  if (part === 'visitor' && !joins) throw new UsageError('--join HOST:PORT is missing: some host of the cluster to ask (or HANDOFF_JOIN, or join in the configuration file).');
  if (part === 'host' && transport.port === undefined && !listensOnUnix(transport)) throw new UsageError('--listen HOST:PORT, or unix:/PATH, is missing: where others are to reach this host (or HANDOFF_HOST and HANDOFF_PORT, or the configuration file).');
  const alone = part === 'orchestrator' && !joins && flags.listen === undefined && config.transport === undefined;
  const [useless] = alone ? Object.keys(byFlags) : [];
  if (useless !== undefined) throw new UsageError(`--join HOST:PORT or --listen HOST:PORT is missing: without, there are no other hosts that ${useless} could be for.`);
  const nodes = nodesOf(flags) ?? (isGuest ? [] : (config.nodes ?? (part === 'host' ? [defaultNode()] : undefined)));
  const { transport: _transport, nodes: _nodes, ...rest } = config;
  return {
    ...rest,
    ...(nodes !== undefined && { nodes }),
    ...(!alone && { transport }),
    // Any other name is refused by the options themselves, which know which there are.
    ...(flags.strategy !== undefined && { allocationStrategy: flags.strategy as NonNullable<HandoffOptions['allocationStrategy']> }),
    ...(flags.allowSource === true && { allowSource: true }),
    ...(flags.costModel !== undefined && { costModel: { file: flags.costModel } }),
  };
}

/** Whoever says that a host is to listen on a Unix socket does not mean the port that is said elsewhere. */
function ofOnePlace(transport: TransportOptions): TransportOptions {
  if (!listensOnUnix(transport)) return transport;
  const { port: _port, ...others } = transport;
  return others;
}

function listensOnUnix({ host }: TransportOptions): boolean {
  return typeof host === 'string' && unixPath(host) !== undefined;
}

/** How to mend it from the command line. */
function withHint(error: unknown, { file }: Config): unknown {
  if (!(error instanceof HandoffError)) return error;
  const isAboutSecret = error.code === 'UNAUTHORIZED' || (error.code === 'INVALID_OPTION' && error.option === 'secret');
  const hints = [
    isAboutSecret ? 'The secret is given by HANDOFF_SECRET, HANDOFF_SECRET_FILE or --secret-file, certificates by --tls-cert, --tls-key and --tls-ca.' : '',
    isHandoffError(error, 'INVALID_OPTION') && file !== undefined ? `(Options were read from ${file}, too.)` : '',
  ].filter((hint) => hint !== '');
  if (hints.length === 0) return error;
  const { code, message, cause, option } = error;
  return new HandoffError(code, [message.replace(/[^.]$/, '$&.'), ...hints].join(' '), { ...(cause !== undefined && { cause }), ...(option !== undefined && { option }) });
}
