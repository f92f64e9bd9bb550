/** The direct connections to the other threads of a gang: results pass between them without the main thread. */
import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import { Payload, type PayloadData } from '../../store/payload.ts';
import { ExportKind } from '../wire.ts';
import { type LocalResults, nothing } from './local-results.ts';

/** A batch that takes results of other threads. */
interface Importer {
  readonly held: LocalResults;
  readonly sources: Int32Array;
}

interface Connection {
  readonly port: MessagePort;
  /** Entries that are not sent yet: `batch, place, kind, value, …` */
  outgoing: unknown[];
}

// At this many entries they are sent, because the other thread may be waiting for the first.
const maxQueuedResults = 64;

export class GangConnections {
  readonly #connections = new Map<number, Connection>();
  readonly #importers = new Map<number, Importer>();
  /** Entries for batches that have not arrived yet. */
  readonly #early = new Map<number, unknown[]>();
  /** The newest batch that has arrived. */
  #last: number | undefined;
  /** Called when results arrive without a poll. */
  readonly #onArrival: () => void;
  readonly #ending: Int32Array;

  /** @param ending see `ServeOptions` */
  constructor(ending: Int32Array, onArrival: () => void) {
    this.#ending = ending;
    this.#onArrival = onArrival;
  }

  connect(address: number, port: MessagePort): void {
    this.#connections.set(address, { port, outgoing: [] });
    port.on('message', (message: unknown[]) => {
      this.#receive(message);
      this.#onArrival();
    });
    const giveUp = (): void => {
      for (const importer of this.#importers.values()) this.#giveUpOn(importer, address);
      this.#onArrival();
    };
    port.on('messageerror', giveUp); // the main thread has the same results
    port.on('close', () => {
      this.#connections.delete(address);
      giveUp();
    });
  }

  /** A batch has arrived: its imports go into `held`, both those already here and later ones. */
  expect(batch: number, held: LocalResults, sources: Int32Array): void {
    const importer = { held, sources };
    this.#importers.set(batch, importer);
    this.#last = batch;
    const early = this.#early.get(batch);
    if (early !== undefined) this.#receive(early);
    // Batches arrive in the order of their ids, so earlier ones never will.
    for (const id of this.#early.keys()) if (!this.#isToCome(id)) this.#early.delete(id);
    for (const address of new Set(sources)) if (!this.#connections.has(address)) this.#giveUpOn(importer, address);
  }

  /** A batch has ended. */
  forget(batch: number): void {
    this.#importers.delete(batch);
  }

  /** Queues a result, or `nothing`. It is sent at the next `flush`, or earlier. */
  queue(address: number, batch: number, place: number, value: unknown): void {
    const connection = this.#connections.get(address);
    if (connection === undefined) return;
    if (value === nothing) connection.outgoing.push(batch, place, ExportKind.nothing, undefined);
    else if (value instanceof Payload) connection.outgoing.push(batch, place, ExportKind.payload, value.data);
    else connection.outgoing.push(batch, place, ExportKind.value, value);
    if (connection.outgoing.length >= 4 * maxQueuedResults) this.#send(connection);
  }

  flush(): void {
    for (const connection of this.#connections.values()) if (connection.outgoing.length > 0) this.#send(connection);
  }

  /** Reads messages that have arrived, without yielding the thread. */
  poll(): void {
    for (const { port } of this.#connections.values()) {
      for (let got = receiveMessageOnPort(port); got !== undefined; got = receiveMessageOnPort(port))
        this.#receive(got.message as unknown[]);
    }
  }

  close(): void {
    for (const { port } of this.#connections.values()) port.close();
  }

  #receive(entries: unknown[]): void {
    for (let k = 0; k < entries.length; k += 4) {
      const batch = entries[k] as number;
      const importer = this.#importers.get(batch);
      if (importer !== undefined)
        importer.held.import(entries[k + 1] as number, importable(entries[k + 2] as number, entries[k + 3]));
      else if (this.#isToCome(batch)) this.#keep(batch, entries.slice(k, k + 4));
    }
  }

  #keep(batch: number, entry: readonly unknown[]): void {
    const early = this.#early.get(batch);
    if (early === undefined) this.#early.set(batch, [...entry]);
    else early.push(...entry);
  }

  /** Whether a batch is newer than the last that arrived. Ids wrap around after 2^31 - 1. */
  #isToCome(batch: number): boolean {
    return this.#last === undefined || (batch !== this.#last && ((batch - this.#last) & 0x7fff_ffff) < 0x4000_0000);
  }

  #send(connection: Connection): void {
    if (Atomics.load(this.#ending, 0) === 0) send(connection);
  }

  /** A thread is gone: its missing results will not arrive. */
  #giveUpOn({ held, sources }: Importer, address: number): void {
    for (const [place, source] of sources.entries()) if (source === address) held.giveUp(place);
  }
}

function importable(kind: number, value: unknown): unknown {
  switch (kind) {
    case ExportKind.payload:
      return new Payload(value as PayloadData);
    case ExportKind.nothing:
      return nothing;
    default:
      return value;
  }
}

function send(connection: Connection): void {
  const entries = connection.outgoing;
  connection.outgoing = [];
  try {
    connection.port.postMessage(entries);
  } catch {
    // Some value cannot be sent. Its function will fail when the result is reported.
    for (let k = 0; k < entries.length; k += 4)
      if (!isSendable(entries[k + 3])) entries.splice(k + 2, 2, ExportKind.nothing, undefined);
    connection.port.postMessage(entries);
  }
}

function isSendable(value: unknown): boolean {
  try {
    structuredClone(value);
    return true;
  } catch {
    return false;
  }
}
