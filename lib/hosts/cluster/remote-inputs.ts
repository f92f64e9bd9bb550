/**
 * What a guest's functions take that lies on other hosts: brought here once, and held until its run is over or the guest says that nobody will
 * read it any more.
 */
import type { PayloadData, RemoteData } from '../../workers/store/payload.ts';
import type { Fetcher } from './fetcher.ts';
import type { Holdings } from './object-table.ts';
import { fromPayloadWire } from './payload-wire.ts';
import type { Peer } from './peer.ts';

export class Inputs {
  readonly #peer: Peer;
  readonly #holdings: Holdings;
  readonly #fetcher: Fetcher;
  /** By run: how many are on their way. */
  readonly #coming = new Map<number, number>();
  /** Runs that were over before all of that had come: nobody would let go of it. */
  readonly #over = new Set<number>();
  #gone = false;

  constructor(peer: Peer, holdings: Holdings, fetcher: Fetcher) {
    this.#peer = peer;
    this.#holdings = holdings;
    this.#fetcher = fetcher;
  }

  /** What a reference stands for, from here or from where it is. */
  async resolve(data: RemoteData, serial: number): Promise<PayloadData> {
    const { key } = data;
    const known = this.#holdings.get(key);
    if (known !== undefined) return known;
    this.#coming.set(serial, (this.#coming.get(serial) ?? 0) + 1);
    try {
      const here = await this.#fetcher.fetch(data, this.#peer);
      if (!this.#gone && !this.#over.has(serial) && this.#holdings.get(key) === undefined) this.#holdings.put(this.#peer.identity.id, serial, key, here);
      return here;
    } finally {
      const left = this.#coming.get(serial)! - 1;
      if (left > 0) {
        this.#coming.set(serial, left);
      } else {
        this.#coming.delete(serial);
        this.#over.delete(serial);
      }
    }
  }

  /** Something will be taken here that is not asked for yet. */
  ahead(serial: number, wire: unknown): void {
    const data = fromPayloadWire(wire);
    if (data.kind === 'remote') this.resolve(data, serial).catch(() => {}); // who takes it will say
  }

  endRun(serial: number): void {
    if (this.#coming.has(serial)) this.#over.add(serial);
    this.#holdings.endRun(this.#peer.identity.id, serial);
  }

  /** The guest is gone. */
  end(): void {
    this.#gone = true;
    this.#holdings.endAll(this.#peer.identity.id);
  }
}
