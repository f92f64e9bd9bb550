/** What a beacon and its thread tell each other. */
import type { BeaconKey } from './key.ts';

export interface BeaconStart {
  /** The address to bind. */
  readonly host: string;
  /** ms between signs of life. */
  readonly interval: number;
  /** By slot: how many have come from a peer. */
  readonly counts: Int32Array;
}

export type ToBeacon =
  /** A peer will send signs of life under this key. */
  | ({ readonly type: 'expect'; readonly slot: number } & BeaconKey)
  /**
   * Signs of life are to be sent to the peer that is expected under `id`: by its key, and to where it is, if that is
   * known.
   */
  | {
      readonly type: 'send';
      readonly id: Uint8Array;
      readonly to: BeaconKey;
      readonly at: { readonly address: string; readonly port: number } | undefined;
    }
  | { readonly type: 'forget'; readonly id: Uint8Array };

export type FromBeacon = { readonly port: number } | { readonly failed: string };
