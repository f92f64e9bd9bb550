/** Values by DAG and id, wherever they are: in this host's store, or in that of the host whose node has them. */
import { HandoffError } from '../errors.ts';
import { decode, encode } from '../store/encode.ts';
import type { LocationRegistry } from '../store/location-registry.ts';
import type { PayloadData, RemoteData } from '../store/payload.ts';
import type { ResultStore } from '../store/result-store.ts';
import { fromPayloadWire } from '../cluster/payload-wire.ts';
import type { Peer } from '../cluster/peer.ts';
import type { RemoteHost } from '../cluster/remote-host.ts';
import type { Driver } from './driver.ts';
import type { Hosts } from './hosts.ts';

export interface ValuesParts {
  readonly store: ResultStore;
  readonly registry: LocationRegistry;
  readonly driver: Driver;
  readonly hosts: Hosts | undefined;
  /** Names of the nodes of this host. */
  nodeNames(): readonly string[];
}

// Values that are asked for belong to no run, and are dropped when they have been fetched.
const noRun = 0;

/** A value as it travels: as it is, or as a payload. */
type Sent = { readonly value: unknown } | { readonly payload: unknown };

export class Values {
  readonly #parts: ValuesParts;

  constructor(parts: ValuesParts) {
    this.#parts = parts;
    const { hosts, store, registry } = parts;
    hosts?.answer('getValue', ([dagId, id], peer) => this.#send(store.get(dagId, id), peer));
    hosts?.answer('lookup', ([dagId, id]) => registry.lookup(dagId, id));
    hosts?.answer('clear', ([dagId]) => this.#clear(dagId));
  }

  /** @throws `NOT_FOUND` */
  async get(dagId: string, id: string, fromNode: string | undefined): Promise<unknown> {
    const { store, nodeNames } = this.#parts;
    if (store.has(dagId, id) || fromNode === undefined) return store.get(dagId, id);
    const host = this.#parts.hosts?.hostOf(fromNode);
    if (host === undefined) {
      if (nodeNames().includes(fromNode)) return store.get(dagId, id);
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
    const { store, driver } = this.#parts;
    if (!store.has(dagId, id)) {
      driver.bring(dagId, id);
      void this.#bring(dagId, id).catch(() => {}); // not there either: it may still come
    }
    return store.wait(dagId, id, timeout);
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
  #ask(method: string, ...args: readonly unknown[]): Promise<unknown[]> {
    return Promise.all((this.#parts.hosts?.cluster.hosts ?? []).map(({ peer }) => peer.request(method, ...args).catch(() => undefined)));
  }

  /** Fetches a value from the node that has it, if that is elsewhere, and keeps it here. */
  async #bring(dagId: string, id: string): Promise<void> {
    const { hosts, store } = this.#parts;
    if (hosts === undefined) return;
    const host = hosts.hostOf(await this.locate(dagId, id));
    if (host === undefined) return;
    const value = await this.#fetch(dagId, id, host);
    if (!store.has(dagId, id)) store.put(dagId, id, value);
  }

  async #fetch(dagId: string, id: string, { peer }: RemoteHost): Promise<unknown> {
    const sent = (await peer.request('getValue', dagId, id)) as Sent;
    if (!('payload' in sent)) return sent.value;
    const data = fromPayloadWire(sent.payload);
    return decode(data.kind === 'remote' ? await this.#fetchLarge(data) : data);
  }

  async #fetchLarge(data: RemoteData): Promise<PayloadData> {
    const { exchange } = this.#parts.hosts!.cluster;
    try {
      return await exchange.fetch(data);
    } finally {
      exchange.release(noRun, data);
    }
  }

  #send(value: unknown, peer: Peer): Sent {
    const data = encode(value);
    return data === undefined ? { value } : { payload: this.#parts.hosts!.cluster.lendValue(data, peer) };
  }
}
