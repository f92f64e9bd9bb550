/**
 * How hosts reach each other: ordered frames of bytes between two hosts that have proved themselves to each other. Code
 * above this interface does not know sockets; code below it does not know what frames mean.
 *
 * Two connected hosts have one control channel (small messages, heartbeats) and, while large data has to move, one bulk
 * channel, so that large data never delays urgent messages.
 */

export type ChannelKind = 'control' | 'bulk';

/** A host as its peers know it. */
export interface Identity {
  /** One per process life; never reused. */
  readonly id: string;
  /** Higher for a process that started later under the same address. */
  readonly incarnation: number;
  /** The address to dial, such as `host:port`; undefined when it does not listen. */
  readonly address: string | undefined;
  /** The `host:port` to dial for bulk channels, and where its machine is, when that is not the address. */
  readonly direct?: string | undefined;
}

/** Receives the frames of a channel. An error it throws closes the channel. */
export interface Receiver {
  /** A complete frame. The receiver may keep its bytes. */
  frame(type: number, body: Uint8Array): void;
  /**
   * Called with the first `targetHead` bytes of a longer frame. Returns memory of exactly `length` bytes for the rest,
   * or undefined to get the complete frame through `frame`. Saves a copy of large data.
   */
  target?(type: number, head: Uint8Array, length: number): Uint8Array | undefined;
  /** The rest of the frame is in the memory that `target` returned. */
  filled?(type: number, head: Uint8Array): void;
}

/** How many bytes `target` receives. */
export const targetHead = 16;

/** A connection to a proven peer. */
export interface Channel {
  readonly kind: ChannelKind;
  readonly peer: Identity;
  /** Whether this host dialled. */
  readonly dialled: boolean;
  /** The longest frame body that both sides accept. */
  readonly maxFrameBytes: number;
  /** Bytes that were sent but not passed to the system yet. */
  readonly queued: number;
  /**
   * Sends a frame. Its parts must not be changed afterwards. Frames of one turn of the event loop leave together. Has
   * no effect once the channel is closed.
   *
   * @param type 0 to 254
   * @throws `PROTOCOL_ERROR` when the body exceeds `maxFrameBytes`
   */
  send(type: number, ...body: readonly Uint8Array[]): void;
  /** Resolves when few bytes are queued, or the channel is closed. Await it before sending more large data. */
  drained(): Promise<void>;
  /** Sets the receiver, once per channel. Frames that arrived before are delivered then. */
  receive(receiver: Receiver): void;
  /**
   * Resolves with the reason when the channel is closed: undefined when either side closed it normally; `NODE_DOWN`
   * when the connection was lost, such as when the peer's process died or closed it with an error.
   */
  readonly closed: Promise<unknown>;
  /** Closes the channel: without an error after sent frames have left, with an error at once. */
  close(error?: unknown): void;
}

export interface Transport {
  /**
   * Starts accepting peers.
   *
   * @param onChannel receives the channel of each proven peer
   * @returns the address for others to dial, as `host:port`; undefined when it does not listen
   */
  listen(onChannel: (channel: Channel) => void): Promise<string | undefined>;
  /**
   * Opens a channel to the host at an address.
   *
   * @throws `UNAUTHORIZED` when the proof fails on either side; `VERSION_MISMATCH` when the other host speaks another
   *   version; `PROTOCOL_ERROR` when it is no Handoff host; `NODE_DOWN` when no host answers there
   */
  dial(address: string, kind: ChannelKind): Promise<Channel>;
  /**
   * Finds other hosts without addresses to join, now and later. Only some transports can.
   *
   * @param found receives `id address` of a host, also repeatedly
   * @returns whether there are others, as soon as that is known
   */
  discover?(found: (host: string) => void): Promise<boolean>;
  /** Stops accepting and closes every channel. */
  close(): Promise<void>;
}
