/**
 * The inputs from other hosts for functions of a remote scheduler: each is fetched once, and held until its run ends or
 * the scheduler reports that no function needs it any more.
 */
import type { PayloadData, RemoteData } from '../../workers/store/payload.ts';
import type { Fetcher } from './fetcher.ts';
import type { ObjectTable } from './object-table.ts';
import { fromPayloadWire } from './payload-wire.ts';
import type { Peer } from './peer.ts';

export class RemoteInputs {
  readonly #peer: Peer;
  readonly #objectTable: ObjectTable;
  readonly #fetcher: Fetcher;
  /** By run: how many fetches are under way. */
  readonly #coming = new Map<number, number>();
  /** Runs that ended during fetches, whose results must not be kept: no message would release them. */
  readonly #over = new Set<number>();
  /** By run: aborts its fetches. */
  readonly #controllers = new Map<number, AbortController>();
  #gone = false;

  constructor(peer: Peer, objectTable: ObjectTable, fetcher: Fetcher) {
    this.#peer = peer;
    this.#objectTable = objectTable;
    this.#fetcher = fetcher;
  }

  /** The payload of a reference, from here or fetched. */
  async resolve(data: RemoteData, serial: number): Promise<PayloadData> {
    const { key } = data;
    const known = this.#objectTable.get(key);
    if (known !== undefined) return known;
    this.#coming.set(serial, (this.#coming.get(serial) ?? 0) + 1);
    try {
      const here = await this.#fetcher.fetch(data, { via: this.#peer, signal: this.#signalOf(serial) });
      if (!this.#gone && !this.#over.has(serial) && this.#objectTable.get(key) === undefined)
        this.#objectTable.put(this.#peer.identity.id, serial, key, here);
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

  /** Prefetches an input for later functions. */
  prefetch(serial: number, wire: unknown): void {
    const data = fromPayloadWire(wire);
    // The function that takes it will report the error.
    if (data.kind === 'remote') this.resolve(data, serial).catch(() => {});
  }

  #signalOf(serial: number): AbortSignal {
    let controller = this.#controllers.get(serial);
    if (controller === undefined) this.#controllers.set(serial, (controller = new AbortController()));
    return controller.signal;
  }

  endRun(serial: number): void {
    if (this.#coming.has(serial)) this.#over.add(serial);
    this.#controllers.get(serial)?.abort();
    this.#objectTable.endRun(this.#peer.identity.id, serial);
  }

  /** The remote scheduler has disconnected. */
  end(): void {
    this.#gone = true;
    for (const controller of this.#controllers.values()) controller.abort();
    this.#objectTable.endAll(this.#peer.identity.id);
  }
}
