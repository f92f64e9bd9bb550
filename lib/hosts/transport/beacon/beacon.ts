/**
 * Heartbeats that do not depend on the main thread, which user code may keep busy for any length of time. A separate
 * thread sends them as datagrams and counts those of other hosts. They supplement the heartbeats of the control
 * channel: where no datagram arrives, only those count.
 *
 * ```
 *   main thread     ── control channel: port, id, key ──►  main thread
 *   beacon thread   ◄───────── datagrams ──────────────►   beacon thread
 * ```
 *
 * Each host creates a key for each peer and sends it over the control channel. So a valid heartbeat proves its sender.
 */
import { Worker } from 'node:worker_threads';
import { moduleUrl } from '../../../core/package-files.ts';
import { newBeaconKey } from './datagram.ts';
import type { BeaconKey } from './key.ts';
import type { BeaconStart, FromBeacon, ToBeacon } from './messages.ts';

const entry = moduleUrl('hosts/transport/beacon/thread');

// Peers beyond this number get no beacon heartbeats.
const maxPeers = 4096;

/** What a peer needs for its heartbeats: the port to send them to, and the key that proves them. */
export interface BeaconCard extends BeaconKey {
  readonly port: number;
}

export class Beacon {
  readonly #counts = new Int32Array(new SharedArrayBuffer(maxPeers * Int32Array.BYTES_PER_ELEMENT));
  readonly #free = Array.from({ length: maxPeers }, (_, slot) => slot);
  readonly #thread: Worker;
  /** Undefined: it could not bind, and sends nothing. */
  #port: number | undefined;

  private constructor(host: string, interval: number) {
    const start: BeaconStart = { host, interval, counts: this.#counts };
    this.#thread = new Worker(entry, {
      name: 'beacon',
      workerData: start,
      resourceLimits: { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 2 },
    });
  }

  /**
   * Starts the thread; resolves when it is ready. If it cannot bind, it sends no heartbeats.
   *
   * @param host the address to bind
   * @param interval ms between heartbeats
   */
  static async start(host: string, interval: number): Promise<Beacon> {
    const beacon = new Beacon(host, interval);
    const { promise, resolve } = Promise.withResolvers<number | undefined>();
    const worker = beacon.#thread;
    worker.on('message', (message: FromBeacon) => resolve('port' in message ? message.port : undefined));
    worker.on('error', () => resolve(undefined));
    worker.on('exit', () => resolve(undefined));
    beacon.#port = await promise;
    worker.unref();
    return beacon;
  }

  /** The heartbeats of one more peer; undefined when none are possible. */
  pulse(): Pulse | undefined {
    const slot = this.#port === undefined ? undefined : this.#free.pop();
    if (slot === undefined) return undefined;
    Atomics.store(this.#counts, slot, 0);
    return new Pulse(
      slot,
      this.#counts,
      this.#port!,
      (message) => this.#thread.postMessage(message),
      () => this.#free.push(slot),
    );
  }

  async stop(): Promise<void> {
    await this.#thread.terminate();
  }
}

/** The heartbeats from and to one peer. */
export class Pulse {
  /** To be sent to the peer. */
  readonly card: BeaconCard;
  readonly #slot: number;
  readonly #counts: Int32Array;
  readonly #post: (message: ToBeacon) => void;
  readonly #end: () => void;
  #seen = 0;

  constructor(slot: number, counts: Int32Array, port: number, post: (message: ToBeacon) => void, end: () => void) {
    this.#slot = slot;
    this.#counts = counts;
    this.#post = post;
    this.#end = end;
    const { id, key } = newBeaconKey();
    this.card = { port, id, key };
    post({ type: 'expect', slot, id, key });
  }

  /**
   * Starts sending heartbeats to the peer.
   *
   * @param address the peer's host; undefined: taken from its first datagram
   */
  send({ port, id, key }: BeaconCard, address: string | undefined): void {
    this.#post({
      type: 'send',
      id: this.card.id,
      to: { id, key },
      at: address === undefined ? undefined : { address, port },
    });
  }

  /** Whether a heartbeat has arrived since the last call. */
  takeHeartbeat(): boolean {
    const count = Atomics.load(this.#counts, this.#slot);
    const isAlive = count !== this.#seen;
    this.#seen = count;
    return isAlive;
  }

  end(): void {
    this.#post({ type: 'forget', id: this.card.id });
    this.#end();
  }
}
