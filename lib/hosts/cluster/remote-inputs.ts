/**
 * What a guest's functions take that lies on other hosts: brought here once, and held until its run is over or the
 * guest says that nobody will read it any more.
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
  /** By run: ends what is on its way. */
  readonly #controllers = new Map<number, AbortController>();
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
      const here = await this.#fetcher.fetch(data, { via: this.#peer, signal: this.#signalOf(serial) });
      if (!this.#gone && !this.#over.has(serial) && this.#holdings.get(key) === undefined)
        this.#holdings.put(this.#peer.identity.id, serial, key, here);
      return here;
    } finally {
      const left = this.#coming.get(serial)! - 1;
      if (left > 0) {
        this.#coming.set(serial, left);
      } else {
        this.#coming.delete(serial);
        this.#over.delete(serial);
        this.#controllers.delete(serial);
      }
    }
  }

  /** Something will be taken here that is not asked for yet. */
  ahead(serial: number, wire: unknown): void {
    const data = fromPayloadWire(wire);
    if (data.kind === 'remote') this.resolve(data, serial).catch(() => {}); // who takes it will say
  }

  #signalOf(serial: number): AbortSignal {
    let controller = this.#controllers.get(serial);
    if (controller === undefined) this.#controllers.set(serial, (controller = new AbortController()));
    return controller.signal;
  }

  endRun(serial: number): void {
    if (this.#coming.has(serial)) this.#over.add(serial);
    this.#controllers.get(serial)?.abort();
    this.#holdings.endRun(this.#peer.identity.id, serial);
  }

  /** The guest is gone. */
  end(): void {
    this.#gone = true;
    for (const controller of this.#controllers.values()) controller.abort();
    this.#holdings.endAll(this.#peer.identity.id);
  }
}
