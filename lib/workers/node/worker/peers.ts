/**
 * The other workers that this one is in a gang with: results come from them and go to them, without the main thread
 * between.
 */
import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import { Payload, type PayloadData } from '../../store/payload.ts';
import { ExportKind } from '../wire.ts';
import { type Held, nothing } from './local-results.ts';

/** A batch that takes results of others. */
interface Importer {
  readonly held: Held;
  readonly sources: Int32Array;
}

interface Peer {
  readonly port: MessagePort;
  /** What it is yet to be told: `batch, place, kind, value, …` */
  outgoing: unknown[];
}

// So much is told at once at most, as a peer may be waiting for the first of it.
const manyExports = 64;

export class Peers {
  readonly #peers = new Map<number, Peer>();
  readonly #importers = new Map<number, Importer>();
  /** What came for batches that have not arrived yet. */
  readonly #early = new Map<number, unknown[]>();
  /** The last batch that was expected. */
  #last: number | undefined;
  /** Called when something has come while nobody polled. */
  readonly #onArrival: () => void;

  constructor(onArrival: () => void) {
    this.#onArrival = onArrival;
  }

  connect(address: number, port: MessagePort): void {
    this.#peers.set(address, { port, outgoing: [] });
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
      this.#peers.delete(address);
      giveUp();
    });
  }

  /** A batch has arrived: what comes for it, and what has come, is put into `held`. */
  expect(batch: number, held: Held, sources: Int32Array): void {
    const importer = { held, sources };
    this.#importers.set(batch, importer);
    this.#last = batch;
    const early = this.#early.get(batch);
    if (early !== undefined) this.#receive(early);
    // Batches arrive in the order of their ids: those before it never will.
    for (const id of this.#early.keys()) if (!this.#isToCome(id)) this.#early.delete(id);
    for (const address of new Set(sources)) if (!this.#peers.has(address)) this.#giveUpOn(importer, address);
  }

  /** A batch is through. */
  forget(batch: number): void {
    this.#importers.delete(batch);
  }

  /** Hands a result over, or `nothing`; with the next `flush` at the latest. */
  tell(address: number, batch: number, place: number, value: unknown): void {
    const peer = this.#peers.get(address);
    if (peer === undefined) return;
    if (value === nothing) peer.outgoing.push(batch, place, ExportKind.nothing, undefined);
    else if (value instanceof Payload) peer.outgoing.push(batch, place, ExportKind.payload, value.data);
    else peer.outgoing.push(batch, place, ExportKind.value, value);
    if (peer.outgoing.length >= 4 * manyExports) send(peer);
  }

  flush(): void {
    for (const peer of this.#peers.values()) if (peer.outgoing.length > 0) send(peer);
  }

  /** Takes in what has come, without giving up the thread. */
  poll(): void {
    for (const { port } of this.#peers.values()) {
      for (let got = receiveMessageOnPort(port); got !== undefined; got = receiveMessageOnPort(port))
        this.#receive(got.message as unknown[]);
    }
  }

  close(): void {
    for (const { port } of this.#peers.values()) port.close();
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

  /** Whether a batch is after the last that was expected. Ids come round after 2^31 - 1. */
  #isToCome(batch: number): boolean {
    return this.#last === undefined || (batch !== this.#last && ((batch - this.#last) & 0x7fff_ffff) < 0x4000_0000);
  }

  /** A worker is gone: what it has not handed over will not come. */
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

function send(peer: Peer): void {
  const entries = peer.outgoing;
  peer.outgoing = [];
  try {
    peer.port.postMessage(entries);
  } catch {
    // Some value turns out not to be sendable. Its function fails for it, when it is reported.
    for (let k = 0; k < entries.length; k += 4)
      if (!isSendable(entries[k + 3])) entries.splice(k + 2, 2, ExportKind.nothing, undefined);
    peer.port.postMessage(entries);
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
