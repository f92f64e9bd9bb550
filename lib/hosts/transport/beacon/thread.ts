/**
 * The thread of a beacon: sends signs of life to peers, and counts those that come from them, whatever the main thread
 * does.
 */
import { createSocket, type RemoteInfo } from 'node:dgram';
import { parentPort, workerData } from 'node:worker_threads';
import { idOf, readBeat, writeBeat } from './datagram.ts';
import type { BeaconKey } from './key.ts';
import type { BeaconStart, FromBeacon, ToBeacon } from './messages.ts';

interface Peer {
  /** Where its count is. */
  readonly slot: number;
  readonly own: BeaconKey;
  /** What is sent to it; undefined as long as it has not said. */
  theirs: BeaconKey | undefined;
  /** Where it is; undefined as long as that is not known. */
  at: { readonly address: string; readonly port: number } | undefined;
  /** The number of the last that came. */
  last: number;
}

const { host, interval, counts } = workerData as BeaconStart;
const port = parentPort!;
const peers = new Map<string, Peer>();
const socket = createSocket({ type: host.includes(':') ? 'udp6' : 'udp4' });
const tell = (message: FromBeacon): void => port.postMessage(message);
// Numbers rise even for who is told the same key again.
let number = Date.now() * 1000;

socket.on('error', (error) => {
  tell({ failed: error.message });
  process.exit(0);
});
socket.on('message', (datagram: Buffer, from: RemoteInfo) => {
  const peer = peers.get(idOf(datagram) ?? '');
  if (peer === undefined) return;
  const beat = readBeat(datagram, peer.own.key);
  if (beat === undefined || beat <= peer.last) return;
  peer.last = beat;
  // Where it sends from is where it can be reached, even through a network that translates addresses.
  peer.at = { address: from.address, port: from.port };
  Atomics.add(counts, peer.slot, 1);
});
socket.bind({ address: host, port: 0 }, () => tell({ port: socket.address().port }));

setInterval(() => {
  number++;
  for (const { theirs, at } of peers.values())
    if (theirs !== undefined && at !== undefined) socket.send(writeBeat(theirs, number), at.port, at.address, () => {});
}, interval);

port.on('message', (message: ToBeacon) => {
  const id = Buffer.from(message.id).toString('hex');
  if (message.type === 'forget') return void peers.delete(id);
  if (message.type === 'expect')
    return void peers.set(id, { slot: message.slot, own: message, theirs: undefined, at: undefined, last: 0 });
  const peer = peers.get(id);
  if (peer === undefined) return;
  peer.theirs = message.to;
  if (message.at !== undefined) peer.at ??= message.at;
});
