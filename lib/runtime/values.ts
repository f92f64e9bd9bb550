/** Values by DAG and id, wherever they are: in this host's store, or in that of the host whose node has them. */
import { HandoffError } from '../core/errors.ts';
import type { LocationRegistry } from '../workers/store/location-registry.ts';
import type { ResultStore } from '../workers/store/result-store.ts';
import type { RemoteHost } from '../hosts/cluster/remote-host.ts';
import type { Driver } from '../engine/driver.ts';
import type { Hosts } from './hosts.ts';
import type { ArgsOf, ResultOf } from '../hosts/cluster/requests.ts';
import { pack, unpack } from './remote-values.ts';

export interface ValuesParts {
  readonly store: ResultStore;
  readonly registry: LocationRegistry;
  readonly driver: Driver;
  readonly hosts: Hosts | undefined;
  /** Names of the nodes of this host. */
  nodeNames(): readonly string[];
}

export class Values {
  readonly #parts: ValuesParts;

  constructor(parts: ValuesParts) {
    this.#parts = parts;
    const { hosts, store, registry } = parts;
    hosts?.answer('getValue', ([dagId, id], peer) => pack(store.get(dagId, id), hosts.cluster, peer));
    hosts?.answer('await', async ([dagId, id, timeout], peer) => pack(await this.#waitHere(dagId, id, timeout), hosts.cluster, peer));
    hosts?.answer('lookup', ([dagId, id]) => registry.lookup(dagId, id));
    hosts?.answer('clear', ([dagId]) => this.#clear(dagId));
  }

  /** @throws `NOT_FOUND` */
  async get(dagId: string, id: string, fromNode: string | undefined): Promise<unknown> {
    const { store, registry, nodeNames } = this.#parts;
    if (store.has(dagId, id)) return store.get(dagId, id);
    const node = fromNode ?? registry.lookup(dagId, id) ?? (await this.#ask('lookup', dagId, id)).find((each) => typeof each === 'string');
    if (node === undefined) return store.get(dagId, id);
    const host = this.#parts.hosts?.hostOf(node);
    if (host === undefined) {
      if (fromNode === undefined || nodeNames().includes(fromNode)) return store.get(dagId, id);
      throw new HandoffError('NOT_FOUND', `There is no node ${JSON.stringify(fromNode)} to fetch ${JSON.stringify(id)} from.`, { dagId, functionId: id, node: fromNode });
    }
    return this.#fetch(dagId, id, host);
  }

  put(dagId: string, id: string, value: unknown, originNode: string | undefined): void {
    const { store, registry, nodeNames } = this.#parts;
    const names = nodeNames();
    const node = originNode ?? names[0];
    if (node !== undefined) registry.register(dagId, id, node);
    if (node === undefined || names.includes(node)) store.put(dagId, id, value);
  }

  register(dagId: string, id: string, node: string): void {
    this.#parts.registry.register(dagId, id, node);
  }

  /** @throws `RESULT_TIMEOUT`, `STOPPED` */
  wait(dagId: string, id: string, timeout: number): Promise<unknown> {
    const { store } = this.#parts;
    if (!store.has(dagId, id)) this.#waitElsewhere(dagId, id, timeout);
    return this.#waitHere(dagId, id, timeout);
  }

  #waitHere(dagId: string, id: string, timeout: number): Promise<unknown> {
    const { store, driver } = this.#parts;
    driver.bring(dagId, id);
    return store.wait(dagId, id, timeout);
  }

  /** Whoever has it first gives it, also one that has it only later. */
  #waitElsewhere(dagId: string, id: string, timeout: number): void {
    const { hosts, store } = this.#parts;
    for (const { peer } of hosts?.cluster.hosts ?? []) {
      void peer.request('await', dagId, id, timeout).then((parcel) => unpack(parcel, hosts!.cluster)).then(
        (value) => { if (!store.has(dagId, id)) store.put(dagId, id, value); },
        () => {}, // it has none, or is gone
      );
    }
  }

  /** @throws `NOT_FOUND` */
  async locate(dagId: string, id: string): Promise<string> {
    const node = this.#parts.registry.lookup(dagId, id) ?? (await this.#ask('lookup', dagId, id)).find((each) => each !== undefined);
    if (node === undefined) throw new HandoffError('NOT_FOUND', `Nobody has said where ${JSON.stringify(id)} of DAG ${JSON.stringify(dagId)} is.`, { dagId, functionId: id });
    return node as string;
  }

  /** Everywhere. */
  async clear(dagId: string): Promise<void> {
    this.#clear(dagId);
    await this.#ask('clear', dagId);
  }

  #clear(dagId: string): void {
    this.#parts.store.clear(dagId);
    this.#parts.registry.clear(dagId);
  }

  /** Asks every other host; those that are gone meanwhile say nothing. */
  #ask<Name extends 'lookup' | 'clear'>(method: Name, ...args: ArgsOf<Name>): Promise<(ResultOf<Name> | undefined)[]> {
    return Promise.all((this.#parts.hosts?.cluster.hosts ?? []).map(({ peer }) => peer.request(method, ...args).catch(() => undefined)));
  }

  async #fetch(dagId: string, id: string, { peer }: RemoteHost): Promise<unknown> {
    return unpack(await peer.request('getValue', dagId, id), this.#parts.hosts!.cluster);
  }
}
