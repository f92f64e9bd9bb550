/** The key that proves a heartbeat. */

/** The length of a key's id, in bytes. */
export const idBytes = 8;

/** The length of a key, in bytes. */
export const keyBytes = 32;

/** What a host gives a peer, so that the peer can send it heartbeats. */
export interface BeaconKey {
  readonly id: Uint8Array;
  readonly key: Uint8Array;
}
