/** The thread of a beacon: sends heartbeats to peers and counts theirs, independent of the main thread. */
import { createSocket, type RemoteInfo } from 'node:dgram';
import { parentPort, workerData } from 'node:worker_threads';
import { idOf, readHeartbeat, writeHeartbeat } from './datagram.ts';
import type { BeaconKey } from './key.ts';
import type { BeaconStart, FromBeacon, ToBeacon } from './messages.ts';

interface Peer {
  /** The index of its counter. */
  readonly slot: number;
  readonly own: BeaconKey;
  /** The key for heartbeats to this peer; undefined until the peer has sent it. */
  theirs: BeaconKey | undefined;
  /** The peer's address; undefined while unknown. */
  at: { readonly address: string; readonly port: number } | undefined;
  /** The highest number that has arrived. */
  last: number;
}

const { host, interval, counts } = workerData as BeaconStart;
const port = parentPort!;
const peers = new Map<string, Peer>();
const socket = createSocket({ type: host.includes(':') ? 'udp6' : 'udp4' });
const post = (message: FromBeacon): void => port.postMessage(message);
// Based on the clock, so that numbers also increase for a peer that receives the same key again.
let number = Date.now() * 1000;

socket.on('error', (error) => {
  post({ failed: error.message });
  process.exit(0);
});
socket.on('message', (datagram: Buffer, from: RemoteInfo) => {
  const peer = peers.get(idOf(datagram) ?? '');
  if (peer === undefined) return;
  const beat = readHeartbeat(datagram, peer.own.key);
  if (beat === undefined || beat <= peer.last) return;
  peer.last = beat;
  // The address it sends from is the one that reaches it, even through a network that translates addresses.
  peer.at = { address: from.address, port: from.port };
  Atomics.add(counts, peer.slot, 1);
});
socket.bind({ address: host, port: 0 }, () => post({ port: socket.address().port }));

setInterval(() => {
  number++;
  for (const { theirs, at } of peers.values())
    if (theirs !== undefined && at !== undefined)
      socket.send(writeHeartbeat(theirs, number), at.port, at.address, () => {});
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
