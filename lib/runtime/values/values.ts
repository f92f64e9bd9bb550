/**
 * Values by name and id, from this host's store or from the host whose node holds them. The name is the id of a run, or
 * of a DAG, meaning its newest run.
 */
import { HandoffError } from '../../core/errors.ts';
import { findObstacle } from '../../core/serializable.ts';
import { show } from '../../core/show.ts';
import type { LocationRegistry } from '../../workers/store/location-registry.ts';
import type { ResultStore } from '../../workers/store/result-store.ts';
import type { RemoteHost } from '../../hosts/cluster/remote-host.ts';
import type { Driver } from '../../engine/driver.ts';
import type { Hosts } from '../hosts.ts';
import type { LocalNodes } from '../local-nodes.ts';
import type { ArgsOf, ResultOf } from '../../hosts/cluster/requests.ts';
import { pack, unpack } from './remote-values.ts';

export interface ValuesParts {
  readonly store: ResultStore;
  readonly registry: LocationRegistry;
  readonly driver: Driver;
  readonly hosts: Hosts | undefined;
  /** The nodes of this host. */
  readonly nodes: Pick<LocalNodes, 'names'>;
}

export class Values {
  readonly #parts: ValuesParts;

  constructor(parts: ValuesParts) {
    this.#parts = parts;
    const { hosts, store, registry } = parts;
    hosts?.answer('getValue', ([name, id], peer) => pack(store.get(name, id), hosts.cluster, peer));
    hosts?.answer('await', async ([name, id, timeout], peer) =>
      pack(await this.#waitHere(name, id, timeout), hosts.cluster, peer),
    );
    hosts?.answer('lookup', ([name, id]) => registry.lookup(name, id));
    hosts?.answer('clear', ([name]) => this.#clear(name));
  }

  /** @throws `NOT_FOUND` when there is no such value or node */
  async get(name: string, id: string, fromNode: string | undefined): Promise<unknown> {
    const { store, registry, nodes } = this.#parts;
    if (store.has(name, id)) return store.get(name, id);
    const node =
      fromNode ??
      registry.lookup(name, id) ??
      (await this.#ask('lookup', name, id)).find((each) => typeof each === 'string');
    if (node === undefined) return store.get(name, id);
    const host = this.#parts.hosts?.hostOf(node);
    if (host === undefined) {
      if (fromNode === undefined || nodes.names.includes(fromNode)) return store.get(name, id);
      throw new HandoffError(
        'NOT_FOUND',
        `There is no node ${JSON.stringify(fromNode)} to fetch ${JSON.stringify(id)} from.`,
        { dagId: name, functionId: id, node: fromNode },
      );
    }
    return this.#fetch(name, id, host);
  }

  /**
   * Puts a value into this host's store.
   *
   * @throws `NOT_SERIALIZABLE` when no copy can stand for the value
   */
  store(name: string, id: string, value: unknown): void {
    refuseUncopied(name, id, value);
    this.#parts.store.put(name, id, value);
  }

  /**
   * Reads a value from this host's store.
   * @throws `NOT_FOUND` when it is not there
   */
  local(name: string, id: string): unknown {
    return this.#parts.store.get(name, id);
  }

  put(name: string, id: string, value: unknown, originNode: string | undefined): void {
    refuseUncopied(name, id, value);
    const { store, registry, nodes } = this.#parts;
    const { names } = nodes;
    const node = originNode ?? names[0];
    if (node !== undefined) registry.register(name, id, node);
    if (node === undefined || names.includes(node)) store.put(name, id, value);
  }

  register(name: string, id: string, node: string): void {
    this.#parts.registry.register(name, id, node);
  }

  /**
   * @throws `RESULT_TIMEOUT` when the timeout passes; `RESULT_LOST` when the run of this id has ended here, and does not
   *   hold the result; `STOPPED` when this Handoff stops
   */
  wait(name: string, id: string, timeout: number): Promise<unknown> {
    const { store } = this.#parts;
    if (!store.has(name, id)) this.#waitElsewhere(name, id, timeout);
    return this.#waitHere(name, id, timeout);
  }

  #waitHere(name: string, id: string, timeout: number): Promise<unknown> {
    const { store, driver } = this.#parts;
    driver.bring(name, id);
    return store.wait(name, id, timeout);
  }

  /** The first host that has the value sends it, now or later. */
  #waitElsewhere(name: string, id: string, timeout: number): void {
    const { hosts, store } = this.#parts;
    for (const { peer } of hosts?.cluster.hosts ?? []) {
      void peer
        .request('await', name, id, timeout)
        .then((parcel) => unpack(parcel, hosts!.cluster))
        .then(
          (value) => store.offer(name, id, value),
          () => {}, // that host has no such value, or has disconnected
        );
    }
  }

  /** @throws `NOT_FOUND` when no location is registered */
  async locate(name: string, id: string): Promise<string> {
    const node =
      this.#parts.registry.lookup(name, id) ?? (await this.#ask('lookup', name, id)).find((each) => each !== undefined);
    if (node === undefined)
      throw new HandoffError(
        'NOT_FOUND',
        `No location is registered for ${JSON.stringify(id)} of run or DAG ${JSON.stringify(name)}.`,
        { dagId: name, functionId: id },
      );
    return node as string;
  }

  /** Clears the DAG on all hosts. */
  async clear(name: string): Promise<void> {
    this.#clear(name);
    await this.#ask('clear', name);
  }

  #clear(name: string): void {
    const { store, registry } = this.#parts;
    const runId = store.clear(name);
    registry.clear(name);
    if (runId !== undefined) registry.forget(runId);
  }

  /** Asks all other hosts. Hosts that have disconnected answer undefined. */
  #ask<Name extends 'lookup' | 'clear'>(method: Name, ...args: ArgsOf<Name>): Promise<(ResultOf<Name> | undefined)[]> {
    return Promise.all(
      (this.#parts.hosts?.cluster.hosts ?? []).map(({ peer }) => peer.request(method, ...args).catch(() => undefined)),
    );
  }

  async #fetch(name: string, id: string, { peer }: RemoteHost): Promise<unknown> {
    return unpack(await peer.request('getValue', name, id), this.#parts.hosts!.cluster);
  }
}

function refuseUncopied(name: string, id: string, value: unknown): void {
  const obstacle = findObstacle(value);
  if (obstacle === undefined) return;
  const path = `value${obstacle.path}`;
  const text = `The value ${show(id)} of ${show(name)} cannot be stored: ${path} is ${obstacle.what}. Store plain data.`;
  throw new HandoffError('NOT_SERIALIZABLE', text, { path });
}
