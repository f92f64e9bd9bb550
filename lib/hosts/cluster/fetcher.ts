/** Brings here what other hosts hold, each thing once however many ask for it. */
import { HandoffError } from '../../core/errors.ts';
import type { PayloadData, RemoteData } from '../../workers/store/payload.ts';
import type { Peer } from './peer.ts';

export class Fetcher {
  readonly #peers: ReadonlyMap<string, Peer>;
  readonly #coming = new Map<string, Promise<PayloadData>>();

  /** @param peers by id */
  constructor(peers: ReadonlyMap<string, Peer>) {
    this.#peers = peers;
  }

  /**
   * @param via who is asked when its holder cannot be reached from here: two hosts that do not listen know each other only by a third
   * @throws `NODE_DOWN`, `NOT_FOUND` when it is not to be had any more
   */
  fetch(data: RemoteData, via?: Peer): Promise<PayloadData> {
    const { key } = data;
    let coming = this.#coming.get(key);
    if (coming === undefined) {
      coming = this.#bring(data, via).finally(() => this.#coming.delete(key));
      this.#coming.set(key, coming);
    }
    return coming;
  }

  async #bring(data: RemoteData, via: Peer | undefined): Promise<PayloadData> {
    const peer = this.#peers.get(data.host) ?? via;
    if (peer === undefined) throw new HandoffError('NODE_DOWN', 'The host that holds it is gone.');
    const link = await peer.bulk();
    return link.fetch(data);
  }
}
