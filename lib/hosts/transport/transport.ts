/**
 * How hosts reach each other: frames of bytes, in order, between two that have proved themselves to each other. Nothing
 * above this interface knows of sockets, and nothing below it knows what frames mean.
 *
 * Two hosts that know each other have one control channel (small messages, heartbeats) and, while there is something
 * large to move, one bulk channel, so that what is large never delays what is urgent.
 */

export type ChannelKind = 'control' | 'bulk';

/** A host as its peers know it. */
export interface Identity {
  /** One per process life; never used again. */
  readonly id: string;
  /** Higher for a process that was started later under the same address. */
  readonly incarnation: number;
  /** `host:port` where it can be dialled; undefined when it does not listen. */
  readonly address: string | undefined;
}

/** Takes in the frames of a channel. What it throws closes the channel. */
export interface Receiver {
  /** A whole frame. Its bytes are the receiver's to keep. */
  frame(type: number, body: Uint8Array): void;
  /**
   * Asked when the first `targetHead` bytes of a frame are there that is longer than they are: where the rest is to go,
   * of exactly `length` bytes; undefined to get the frame whole by `frame`. Saves a copy of what is large.
   */
  target?(type: number, head: Uint8Array, length: number): Uint8Array | undefined;
  /** The rest of a frame is where `target` said. */
  filled?(type: number, head: Uint8Array): void;
}

/** How many bytes `target` is shown. */
export const targetHead = 16;

/** A way to a proven peer and back. */
export interface Channel {
  readonly kind: ChannelKind;
  readonly peer: Identity;
  /** Whether this host dialled. */
  readonly dialled: boolean;
  /** The longest body of a frame that both sides take. */
  readonly maxFrameBytes: number;
  /** Bytes that were sent and have not been handed to the system yet. */
  readonly queued: number;
  /**
   * Sends a frame, its body given in parts that must not be changed any more. What is sent in one turn of the event
   * loop leaves together. Nothing happens once the channel is closed.
   *
   * @param type 0 to 254
   * @throws `PROTOCOL_ERROR` when the body is longer than frames may be
   */
  send(type: number, ...body: readonly Uint8Array[]): void;
  /** Resolves when little is queued, or the channel is closed: before more of something large is sent. */
  drained(): Promise<void>;
  /** Says who takes in frames. What arrived before is delivered then. Once per channel. */
  receive(receiver: Receiver): void;
  /**
   * Resolves when it is closed, with why: undefined when either side just closed it; `NODE_DOWN` when the connection
   * has ended otherwise, as when the peer's process has died or it closed with an error.
   */
  readonly closed: Promise<unknown>;
  /** Closes it, after what was sent has left when no error is given, at once otherwise. */
  close(error?: unknown): void;
}

export interface Transport {
  /**
   * Begins to accept peers.
   *
   * @param onChannel given each proven peer's channel
   * @returns where others can dial it, as `host:port`; undefined when it does not listen
   */
  listen(onChannel: (channel: Channel) => void): Promise<string | undefined>;
  /**
   * A channel to the host at an address.
   *
   * @throws `UNAUTHORIZED`, `VERSION_MISMATCH`, `PROTOCOL_ERROR`; `NODE_DOWN` when nobody answers there
   */
  dial(address: string, kind: ChannelKind): Promise<Channel>;
  /** Stops accepting, and closes every channel. */
  close(): Promise<void>;
}
