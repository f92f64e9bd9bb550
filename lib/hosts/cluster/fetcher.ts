/**
 * Fetches results from the hosts that hold them. Concurrent requests share one fetch, which ends when all of them are
 * aborted.
 */
import { HandoffError, isHandoffError } from '../../core/errors.ts';
import type { PayloadData, RemoteData } from '../../workers/store/payload.ts';
import type { Peer } from './peer.ts';

// How often a broken link is reopened for one fetch while its host is up.
const maxLinks = 4;

interface Fetch {
  readonly here: Promise<PayloadData>;
  readonly controller: AbortController;
  /** How many requests share it. */
  requests: number;
}

export interface FetchOptions {
  /**
   * The host to ask when the holder cannot be reached from here: two hosts that do not listen know each other only
   * through a third.
   */
  readonly via?: Peer | undefined;
  /** Aborts this request. The fetch itself ends with its last request. */
  readonly signal?: AbortSignal | undefined;
}

export class Fetcher {
  readonly #peers: ReadonlyMap<string, Peer>;
  readonly #fetches = new Map<string, Fetch>();

  /** @param peers by host id */
  constructor(peers: ReadonlyMap<string, Peer>) {
    this.#peers = peers;
  }

  /**
   * @throws `NODE_DOWN` when its host is gone; `RESULT_LOST` when its host no longer holds it; `ABORTED` when every
   *   request was aborted
   */
  fetch(data: RemoteData, { via, signal }: FetchOptions = {}): Promise<PayloadData> {
    if (signal?.aborted === true) return Promise.reject(allAborted());
    const { key } = data;
    let coming = this.#fetches.get(key);
    if (coming === undefined) {
      const controller = new AbortController();
      const here = this.#bring(data, via, controller.signal).finally(() => this.#forget(key, controller));
      this.#fetches.set(key, (coming = { here, controller, requests: 0 }));
    }
    coming.requests++;
    if (signal === undefined) return coming.here;
    const { here, controller } = coming;
    const leave = (): void => {
      if (--coming.requests > 0) return;
      this.#forget(key, controller);
      controller.abort(allAborted());
    };
    signal.addEventListener('abort', leave);
    return here.finally(() => signal.removeEventListener('abort', leave));
  }

  #forget(key: string, controller: AbortController): void {
    if (this.#fetches.get(key)?.controller === controller) this.#fetches.delete(key);
  }

  /** Retries, because a link may break although both hosts are up. */
  async #bring(data: RemoteData, via: Peer | undefined, signal: AbortSignal): Promise<PayloadData> {
    const peer = this.#peers.get(data.host) ?? via;
    if (peer === undefined) throw new HandoffError('NODE_DOWN', 'The host that holds this result is gone.');
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
          links === maxLinks ||
          isHandoffError(error, 'RESULT_LOST')
        )
          throw error;
      }
    }
  }
}

function allAborted(): HandoffError {
  return new HandoffError('ABORTED', 'All requests for this result were aborted.');
}
