/**
 * Large results from this host's point of view as an orchestrator: who holds what, and who has to be told when it is
 * not needed any more.
 */
import type { PayloadData, RemoteData } from '../../workers/store/payload.ts';
import type { Fetcher } from './fetcher.ts';
import type { Holdings } from './object-table.ts';
import { type PayloadWire, toPayloadWire } from './payload-wire.ts';
import type { Peer } from './peer.ts';
import { Message } from './wire.ts';

/** Where something of a run may be. */
interface Involved {
  readonly hosts: Set<string>;
  /** The hosts that may have a copy of a result, by key. */
  readonly copies: Map<string, Set<string>>;
  /** Ends what is on its way here for it. */
  readonly controller: AbortController;
}

export class Exchange {
  readonly #host: string;
  readonly #holdings: Holdings;
  readonly #fetcher: Fetcher;
  readonly #peers: ReadonlyMap<string, Peer>;
  /** Where else the bytes of a payload are that is here. */
  readonly #references = new WeakMap<PayloadData, RemoteData>();
  readonly #runs = new Map<number, Involved>();

  /**
   * @param host the id of this host
   * @param peers by id
   */
  constructor(host: string, holdings: Holdings, fetcher: Fetcher, peers: ReadonlyMap<string, Peer>) {
    this.#host = host;
    this.#holdings = holdings;
    this.#fetcher = fetcher;
    this.#peers = peers;
  }

  /** As what a payload travels to a host. */
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

  /** A host may hold something of a run from now on. */
  involve(serial: number, host: string): void {
    this.#involvedIn(serial).hosts.add(host);
  }

  /** Brings here what another host holds, for a run only as long as that is under way; rejects when it is gone. */
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
      if (id === this.#host) this.#holdings.release(this.#host, serial, [key]);
      else this.#peers.get(id)?.send(Message.release, serial, [key]);
    }
  }

  endRun(serial: number): void {
    this.#holdings.endRun(this.#host, serial);
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

  /** The reference under which every host can have it; one to what we hold ourselves where its holder is gone. */
  #referenceOf(data: PayloadData, serial: number): RemoteData {
    const known = data.kind === 'remote' ? data : this.#references.get(data);
    if (known !== undefined && (data.kind === 'remote' || known.host === this.#host || this.#peers.has(known.host)))
      return known;
    const reference = this.#holdings.hold(this.#host, serial, data, false);
    this.#references.set(data, reference);
    return reference;
  }
}
