/**
 * Signs of life that do not depend on the main thread: user code may keep that busy for as long as it likes. A thread
 * of its own sends them as datagrams and counts those of peers. They come beside those on the control channel: where no
 * datagram gets through, all is as without.
 *
 * ```
 *   main thread     ── control channel: port, id, key ──►  main thread
 *   beacon thread   ◄───────── datagrams ──────────────►   beacon thread
 * ```
 *
 * Each host makes a key for each of its peers, and tells it on the control channel: who sends a sign of life that
 * counts has proved itself.
 */
import { Worker } from 'node:worker_threads';
import { moduleUrl } from '../../../core/package-files.ts';
import { newBeaconKey } from './datagram.ts';
import type { BeaconKey } from './key.ts';
import type { BeaconStart, FromBeacon, ToBeacon } from './messages.ts';

const entry = moduleUrl('hosts/transport/beacon/thread');

// More peers than this have no signs of life of this kind.
const mostPeers = 4096;

/** What a peer is told: where to send its signs of life, and how they are proved. */
export interface BeaconCard extends BeaconKey {
  readonly port: number;
}

export class Beacon {
  readonly #counts = new Int32Array(new SharedArrayBuffer(mostPeers * Int32Array.BYTES_PER_ELEMENT));
  readonly #free = Array.from({ length: mostPeers }, (_, slot) => slot);
  readonly #worker: Worker;
  /** Undefined: it has none, and nothing is sent. */
  #port: number | undefined;

  private constructor(host: string, interval: number) {
    const start: BeaconStart = { host, interval, counts: this.#counts };
    this.#worker = new Worker(entry, {
      name: 'beacon',
      workerData: start,
      resourceLimits: { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 2 },
    });
  }

  /**
   * Resolves when it is ready. One that cannot bind gives no signs of life.
   *
   * @param host the address to bind
   * @param interval ms between signs of life
   */
  static async start(host: string, interval: number): Promise<Beacon> {
    const beacon = new Beacon(host, interval);
    const { promise, resolve } = Promise.withResolvers<number | undefined>();
    const worker = beacon.#worker;
    worker.on('message', (message: FromBeacon) => resolve('port' in message ? message.port : undefined));
    worker.on('error', () => resolve(undefined));
    worker.on('exit', () => resolve(undefined));
    beacon.#port = await promise;
    worker.unref();
    return beacon;
  }

  /** Signs of life of one more peer; undefined when there can be none. */
  pulse(): Pulse | undefined {
    const slot = this.#port === undefined ? undefined : this.#free.pop();
    if (slot === undefined) return undefined;
    Atomics.store(this.#counts, slot, 0);
    return new Pulse(
      slot,
      this.#counts,
      this.#port!,
      (message) => this.#worker.postMessage(message),
      () => this.#free.push(slot),
    );
  }

  async stop(): Promise<void> {
    await this.#worker.terminate();
  }
}

/** The signs of life of one peer. */
export class Pulse {
  /** What the peer is to be told. */
  readonly card: BeaconCard;
  readonly #slot: number;
  readonly #counts: Int32Array;
  readonly #tell: (message: ToBeacon) => void;
  readonly #end: () => void;
  #seen = 0;

  constructor(slot: number, counts: Int32Array, port: number, tell: (message: ToBeacon) => void, end: () => void) {
    this.#slot = slot;
    this.#counts = counts;
    this.#tell = tell;
    this.#end = end;
    const { id, key } = newBeaconKey();
    this.card = { port, id, key };
    tell({ type: 'expect', slot, id, key });
  }

  /**
   * Begins to send signs of life to the peer.
   *
   * @param address the host it is at; undefined: that is seen when it sends
   */
  send({ port, id, key }: BeaconCard, address: string | undefined): void {
    this.#tell({
      type: 'send',
      id: this.card.id,
      to: { id, key },
      at: address === undefined ? undefined : { address, port },
    });
  }

  /** Whether the peer has given a sign of life since this was asked last. */
  takeBeat(): boolean {
    const count = Atomics.load(this.#counts, this.#slot);
    const isAlive = count !== this.#seen;
    this.#seen = count;
    return isAlive;
  }

  end(): void {
    this.#tell({ type: 'forget', id: this.card.id });
    this.#end();
  }
}
