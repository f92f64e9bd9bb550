/**
 * Fetches results from the hosts that hold them. Each is fetched once, however many ask for it, and the fetch ends when
 * its last reader aborts.
 */
import { HandoffError, isHandoffError } from '../../core/errors.ts';
import type { PayloadData, RemoteData } from '../../workers/store/payload.ts';
import type { Peer } from './peer.ts';

// A link that breaks is opened again so often for one thing, while its host is there.
const mostLinks = 4;

interface Coming {
  readonly here: Promise<PayloadData>;
  readonly controller: AbortController;
  /** How many want it. */
  wanting: number;
}

export interface FetchOptions {
  /**
   * Who is asked when its holder cannot be reached from here: two hosts that do not listen know each other only by a
   * third.
   */
  readonly via?: Peer | undefined;
  /** Aborts this request. The fetch itself ends with its last request. */
  readonly signal?: AbortSignal | undefined;
}

export class Fetcher {
  readonly #peers: ReadonlyMap<string, Peer>;
  readonly #coming = new Map<string, Coming>();

  /** @param peers by id */
  constructor(peers: ReadonlyMap<string, Peer>) {
    this.#peers = peers;
  }

  /** @throws `NODE_DOWN`, `RESULT_LOST` when its host no longer holds it; `ABORTED` when every request was aborted */
  fetch(data: RemoteData, { via, signal }: FetchOptions = {}): Promise<PayloadData> {
    if (signal?.aborted === true) return Promise.reject(unwanted());
    const { key } = data;
    let coming = this.#coming.get(key);
    if (coming === undefined) {
      const controller = new AbortController();
      const here = this.#bring(data, via, controller.signal).finally(() => this.#forget(key, controller));
      this.#coming.set(key, (coming = { here, controller, wanting: 0 }));
    }
    coming.wanting++;
    if (signal === undefined) return coming.here;
    const { here, controller } = coming;
    const leave = (): void => {
      if (--coming.wanting > 0) return;
      this.#forget(key, controller);
      controller.abort(unwanted());
    };
    signal.addEventListener('abort', leave);
    return here.finally(() => signal.removeEventListener('abort', leave));
  }

  #forget(key: string, controller: AbortController): void {
    if (this.#coming.get(key)?.controller === controller) this.#coming.delete(key);
  }

  /** A link may break although both hosts are well. */
  async #bring(data: RemoteData, via: Peer | undefined, signal: AbortSignal): Promise<PayloadData> {
    const peer = this.#peers.get(data.host) ?? via;
    if (peer === undefined) throw new HandoffError('NODE_DOWN', 'The host that holds it is gone.');
    for (let links = 1; ; links++) {
      const link = await peer.bulk();
      signal.throwIfAborted();
      try {
        return await link.fetch(data, signal);
      } catch (error) {
        if (
          signal.aborted ||
          peer.closed ||
          !link.isClosed ||
          links === mostLinks ||
          isHandoffError(error, 'RESULT_LOST')
        )
          throw error;
      }
    }
  }
}

function unwanted(): HandoffError {
  return new HandoffError('ABORTED', 'Nobody wants it any more.');
}
