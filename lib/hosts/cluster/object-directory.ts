/**
 * Large results from this host's point of view as an orchestrator: which hosts hold them, and which to inform when they
 * are no longer needed.
 */
import type { PayloadData, RemoteData } from '../../workers/store/payload.ts';
import type { Fetcher } from './fetcher.ts';
import type { ObjectTable } from './object-table.ts';
import { type PayloadWire, toPayloadWire } from './payload-wire.ts';
import type { Peer } from './peer.ts';
import { Message } from './wire.ts';

/** Where data of a run may be. */
interface Involved {
  readonly hosts: Set<string>;
  /** The hosts that may have a copy of a result, by key. */
  readonly copies: Map<string, Set<string>>;
  /** Aborts fetches for the run. */
  readonly controller: AbortController;
}

export class ObjectDirectory {
  readonly #host: string;
  readonly #objectTable: ObjectTable;
  readonly #fetcher: Fetcher;
  readonly #peers: ReadonlyMap<string, Peer>;
  /** The reference under which a payload that is here can be found elsewhere. */
  readonly #references = new WeakMap<PayloadData, RemoteData>();
  readonly #runs = new Map<number, Involved>();

  /**
   * @param host the id of this host
   * @param peers by host id
   */
  constructor(host: string, objectTable: ObjectTable, fetcher: Fetcher, peers: ReadonlyMap<string, Peer>) {
    this.#host = host;
    this.#objectTable = objectTable;
    this.#fetcher = fetcher;
    this.#peers = peers;
  }

  /** The form in which a payload travels to a host. */
  travelling(data: PayloadData, serial: number, to: string): PayloadWire {
    const { copies: all } = this.#involvedIn(serial);
    return toPayloadWire(data, () => {
      const reference = this.#referenceOf(data, serial);
      const copies = all.get(reference.key);
      if (copies === undefined) all.set(reference.key, new Set([to]));
      else copies.add(to);
      return reference;
    });
  }

  /** A host may hold data of a run from now on. */
  involve(serial: number, host: string): void {
    this.#involvedIn(serial).hosts.add(host);
  }

  /**
   * Fetches what another host holds. For a run, only while it is under way.
   *
   * @throws as `Fetcher.fetch`
   */
  async fetch(data: RemoteData, serial?: number): Promise<PayloadData> {
    const here = await this.#fetcher.fetch(data, {
      signal: serial === undefined ? undefined : this.#runs.get(serial)?.controller.signal,
    });
    this.#references.set(here, data);
    return here;
  }

  release(serial: number, data: PayloadData): void {
    const reference = data.kind === 'remote' ? data : this.#references.get(data);
    if (reference === undefined) return;
    const { key, host } = reference;
    const copies = this.#runs.get(serial)?.copies;
    const holders = copies?.get(key) ?? new Set<string>();
    copies?.delete(key);
    for (const id of holders.add(host)) {
      if (id === this.#host) this.#objectTable.release(this.#host, serial, [key]);
      else this.#peers.get(id)?.send(Message.release, serial, [key]);
    }
  }

  endRun(serial: number): void {
    this.#objectTable.endRun(this.#host, serial);
    this.#runs.get(serial)?.controller.abort();
    for (const id of this.#runs.get(serial)?.hosts ?? []) this.#peers.get(id)?.send(Message.endRun, serial);
    this.#runs.delete(serial);
  }

  #involvedIn(serial: number): Involved {
    let involved = this.#runs.get(serial);
    if (involved === undefined)
      this.#runs.set(serial, (involved = { hosts: new Set(), copies: new Map(), controller: new AbortController() }));
    return involved;
  }

  /** A reference under which every host can fetch it; if its holder is gone, one to our own copy. */
  #referenceOf(data: PayloadData, serial: number): RemoteData {
    const known = data.kind === 'remote' ? data : this.#references.get(data);
    if (known !== undefined && (data.kind === 'remote' || known.host === this.#host || this.#peers.has(known.host)))
      return known;
    const reference = this.#objectTable.hold(this.#host, serial, data, false);
    this.#references.set(data, reference);
    return reference;
  }
}
