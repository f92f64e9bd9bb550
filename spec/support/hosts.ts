/**
 * Hosts in processes of their own, which end after the spec that started them unless that keeps them. A process whose
 * host only stopped is the next host of the file: a process takes longer to start than a host.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll } from 'vitest';
import { type ErrorWire, fromErrorWire } from '../../lib/core/error-wire.ts';
import {
  type Dag,
  type ExecuteOptions,
  type ExecuteResult,
  Handoff,
  type HandoffEvent,
  type HandoffOptions,
  type NatsTransportOptions,
  type TcpTransportOptions,
  type TreeNode,
} from '../../lib/index.ts';
import { sharedNats } from './nats-server-process.ts';

type Transport = NonNullable<HandoffOptions['transport']>;

export interface HostOptions {
  readonly nodes?: HandoffOptions['nodes'];
  readonly join?: readonly string[];
  readonly secret?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Others of `Handoff.start`. */
  readonly options?: Omit<HandoffOptions, 'nodes' | 'transport'>;
  /** Others of the transport. */
  readonly transport?: Partial<Transport>;
  /** Whether it takes no calls: it only joins. */
  readonly deaf?: boolean;
}

export interface HostProcess {
  /** Empty when it does not listen. */
  readonly address: string;
  readonly pid: number;
  /** Resolves when the process has ended, with the signal that ended it. */
  readonly exited: Promise<NodeJS.Signals | null>;
  /** What it has told since `watch`. */
  readonly events: readonly HandoffEvent[];
  /** Calls a method of its Handoff. */
  call(method: keyof Handoff, ...args: readonly unknown[]): Promise<any>;
  execute(dag: Dag, options?: ExecuteOptions): Promise<ExecuteResult>;
  /** Aborts all that it executes. */
  abort(): Promise<void>;
  /** What is claimed of one of its nodes now, and the most that was at any time. */
  claims(node: string): Promise<{ readonly now: Record<string, number>; readonly most: Record<string, number> }>;
  tree(): Promise<TreeNode>;
  /** Keeps its main thread busy for some ms. */
  block(ms: number): Promise<void>;
  /** Has it tell its events from now on. */
  watch(...types: HandoffEvent['type'][]): Promise<void>;
  /** Resolves when it has told such an event, or if it has already. */
  told(type: HandoffEvent['type'], which?: (event: any) => boolean): Promise<HandoffEvent>;
  /** Lets its Handoff stop, and the process end. */
  stop(options?: Parameters<Handoff['stop']>[0]): Promise<void>;
  kill(signal?: NodeJS.Signals): Promise<void>;
  signal(signal: NodeJS.Signals): void;
}

const script = fileURLToPath(new URL('../fixtures/cluster-host.ts', import.meta.url));
const started = new Set<{ readonly keep: boolean; end(): Promise<unknown> }>();
/** Processes that wait for a host. */
const idle: ChildProcess[] = [];
/** Numbers requests across all hosts, so that a late answer of one is not taken for one of the next in its process. */
let last = 0;

// A machine under load may stop a process for a while; only specs about silence are quicker.
export const heartbeat = { heartbeatInterval: 200, heartbeatTimeout: 15_000 } as const;

/** Of transports, with time enough to join others, too. */
export const patient = { ...heartbeat, joinTimeout: 240_000 } as const;

/**
 * `HANDOFF_SPEC_TRANSPORT=nats` runs specs of clusters over a NATS server: hosts that join one another share a
 * namespace there.
 */
const isNats = process.env['HANDOFF_SPEC_TRANSPORT'] === 'nats';
/** The namespace of each host that others may join, by address. */
const namespaces = new Map<string, string>();
let lastNamespace = 0;

async function transportOf(options: HostOptions): Promise<Transport> {
  const { join, secret, transport, deaf = false } = options;
  if (transport?.type === 'nats') return { ...patient, ...transport };
  if (isNats) return natsTransportOf(options);
  return {
    type: 'tcp',
    ...patient,
    ...(!deaf && { port: 0 }),
    ...(join !== undefined && { join }),
    ...(secret !== undefined && { secret }),
    ...(transport as Partial<TcpTransportOptions> | undefined),
  };
}

async function natsTransportOf({ join, secret, transport }: HostOptions): Promise<NatsTransportOptions> {
  const {
    type: _type,
    host: _host,
    port: _port,
    tls: _tls,
    join: _join,
    ...others
  } = (transport ?? {}) as Partial<TcpTransportOptions>;
  return {
    type: 'nats',
    ...patient,
    servers: await sharedNats(),
    namespace: namespaces.get(join?.[0] ?? '') ?? `spec-${process.pid}-${++lastNamespace}`,
    ...(secret !== undefined && { secret }),
    ...others,
  };
}

/** Lets others join a host that is ready. */
function noteNamespace(transport: Transport, address: string | undefined): void {
  if (transport.type === 'nats' && address !== undefined) namespaces.set(address, transport.namespace!);
}

async function endAll(kept: boolean): Promise<void> {
  const ending = [...started].filter(({ keep }) => kept || !keep);
  for (const each of ending) started.delete(each);
  await Promise.all(ending.map((each) => each.end()));
}

afterEach(() => endAll(false));
afterAll(async () => {
  await endAll(true);
  for (const child of idle) child.kill('SIGKILL');
});

function startProcess(env: Readonly<Record<string, string>>): ChildProcess {
  const isOrdinary = Object.keys(env).length === 0;
  return (
    (isOrdinary ? idle.pop() : undefined) ??
    spawn(process.execPath, [script], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      serialization: 'advanced',
      env: { ...process.env, ...env },
    })
  );
}

/** Starts a host in a process of its own. Rejects with its error when it cannot start. */
export async function startHost(options: HostOptions, keep = false): Promise<HostProcess> {
  const { nodes = [], env = {}, options: others = {} } = options;
  const transport = await transportOf(options);
  const child = startProcess(env);
  /** Whether the process can be another host's after this one. */
  let isReusable = false;
  const ended = Promise.withResolvers<NodeJS.Signals | null>();
  const onExit = (_: unknown, signal: NodeJS.Signals | null): void => ended.resolve(signal);
  child.once('exit', onExit);
  const exited = ended.promise;
  const kill = async (signal: NodeJS.Signals = 'SIGKILL'): Promise<void> => {
    isReusable = false;
    child.kill(signal);
    await exited;
  };
  const end = async (): Promise<void> => {
    if (!isReusable) return kill();
    await Promise.race([ask('reset'), exited]);
    child.removeAllListeners('message').off('exit', onExit);
    if (child.exitCode === null && child.signalCode === null) idle.push(child);
  };
  started.add({ keep, end });
  const answers = new Map<number, PromiseWithResolvers<any>>();
  const events: HandoffEvent[] = [];
  const awaited = new Set<(event: HandoffEvent) => void>();
  const ready = Promise.withResolvers<string>();
  child.on('message', (message: any) => {
    if ('ready' in message)
      return message.ready
        ? ready.resolve(message.address ?? '')
        : ready.reject(fromErrorWire(message.error as ErrorWire));
    if ('event' in message) {
      events.push(message.event);
      for (const tell of awaited) tell(message.event);
      return;
    }
    const answer = answers.get(message.id);
    answers.delete(message.id);
    if (message.ok) answer?.resolve(message.value);
    else answer?.reject(fromErrorWire(message.value));
  });
  void exited.then((signal) => {
    const error = new Error(`the host process has ended: ${signal}`);
    ready.reject(error);
    for (const { reject } of answers.values()) reject(error);
  });
  const ask = (method: string, ...args: readonly unknown[]): Promise<any> => {
    const answer = Promise.withResolvers<any>();
    answer.promise.catch(() => {}); // a spec that fails awaits it no more
    answers.set(++last, answer);
    child.send({ id: last, method, args });
    return answer.promise;
  };
  child.send({ start: JSON.stringify({ ...others, nodes, transport }) });
  const address = await ready.promise;
  noteNamespace(transport, address);
  isReusable = Object.keys(env).length === 0;
  return {
    address,
    exited,
    events,
    kill,
    pid: child.pid!,
    call: (method, ...args) => {
      if (method === 'stop') isReusable = false;
      return ask(method as string, ...args);
    },
    execute: (dag, given = {}) => ask('execute', dag.toJSON(), given),
    abort: () => ask('abort'),
    claims: (node) => ask('claims', node),
    tree: () => ask('tree'),
    block: (ms) => ask('block', ms),
    watch: (...types) => ask('watch', types.length === 0 ? undefined : types),
    told: (type, which = () => true) => {
      const is = (event: HandoffEvent): boolean => event.type === type && which(event);
      const known = events.find(is);
      if (known !== undefined) return Promise.resolve(known);
      return new Promise((resolve) => awaited.add((event) => (is(event) ? resolve(event) : undefined)));
    },
    stop: async (given = {}) => {
      isReusable = false;
      await ask('stop', given);
      child.disconnect();
      await exited;
    },
    signal: (signal) => {
      isReusable = false;
      child.kill(signal);
    },
  };
}

/** A Handoff of this process, stopped after the spec. */
export async function startHere(options: HostOptions = {}, keep = false): Promise<Handoff> {
  const { nodes = [], options: others = {} } = options;
  const transport = await transportOf(options);
  const handoff = await Handoff.start({ ...others, nodes, transport });
  noteNamespace(transport, handoff.address);
  started.add({ keep, end: () => handoff.stop({ drain: false }) });
  const execute = handoff.execute.bind(handoff);
  handoff.execute = (...given) => {
    const run = execute(...given);
    run.catch(() => {}); // a spec that fails awaits it no more
    return run;
  };
  return handoff;
}

export interface Cluster {
  readonly handoff: Handoff;
  readonly hosts: readonly HostProcess[];
}

/**
 * For the specs of a file: a Handoff here and hosts elsewhere, which all know each other.
 *
 * @param here of this process, which joins the first host
 */
export function useCluster(here: HostOptions, ...elsewhere: readonly HostOptions[]): Cluster {
  const cluster: { handoff: Handoff; hosts: HostProcess[] } = { handoff: undefined!, hosts: [] };
  beforeAll(async () => {
    for (const options of elsewhere) {
      const [first] = cluster.hosts;
      cluster.hosts.push(await startHost({ ...options, ...(first !== undefined && { join: [first.address] }) }, true));
    }
    cluster.handoff = await startHere({ ...here, join: [cluster.hosts[0]!.address] }, true);
  });
  return cluster;
}

/** Resolves at the next such event. */
export function next(
  handoff: Handoff,
  type: HandoffEvent['type'],
  which: (event: any) => boolean = () => true,
): Promise<any> {
  return new Promise((resolve) => {
    const listener = (event: unknown): void => {
      if (!which(event)) return;
      handoff.off(type, listener);
      resolve(event);
    };
    handoff.on(type, listener);
  });
}

/** Collects the events of some types. */
export function record(handoff: Handoff, ...types: readonly HandoffEvent['type'][]): any[] {
  const events: any[] = [];
  for (const type of types) handoff.on(type, (event: unknown) => void events.push(event));
  return events;
}
