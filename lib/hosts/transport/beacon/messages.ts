/** The messages between a beacon and its thread. */
import type { BeaconKey } from './key.ts';

export interface BeaconStart {
  /** The address to bind. */
  readonly host: string;
  /** ms between heartbeats. */
  readonly interval: number;
  /** By slot: how many heartbeats a peer has sent. */
  readonly counts: Int32Array;
}

export type ToBeacon =
  /** A peer will send heartbeats under this key. */
  | ({ readonly type: 'expect'; readonly slot: number } & BeaconKey)
  /** Send heartbeats to the peer that is expected under `id`: with its key, and to its address if that is known. */
  | {
      readonly type: 'send';
      readonly id: Uint8Array;
      readonly to: BeaconKey;
      readonly at: { readonly address: string; readonly port: number } | undefined;
    }
  | { readonly type: 'forget'; readonly id: Uint8Array };

export type FromBeacon = { readonly port: number } | { readonly failed: string };
