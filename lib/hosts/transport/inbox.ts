/** The receiving end of a channel: keeps frames until there is a receiver. */
import { deliver } from './frame.ts';
import type { Receiver } from './transport.ts';

export class Inbox implements Receiver {
  #kept: { readonly type: number; readonly body: Uint8Array }[] = [];
  #keptBytes = 0;
  #receiver: Receiver | undefined;
  #taken = false;

  /** Bytes of kept frames. */
  get keptBytes(): number {
    return this.#keptBytes;
  }

  frame(type: number, body: Uint8Array): void {
    if (this.#receiver !== undefined) return this.#receiver.frame(type, body);
    this.#kept.push({ type, body });
    this.#keptBytes += body.byteLength;
  }

  target(type: number, head: Uint8Array, length: number): Uint8Array | undefined {
    return this.#receiver?.target?.(type, head, length);
  }

  filled(type: number, head: Uint8Array): void {
    this.#receiver!.filled?.(type, head);
  }

  /**
   * Delivers the kept frames after the caller has returned, and then all that follow.
   *
   * @param ready called when the kept frames are delivered, or with the receiver's error
   */
  open(receiver: Receiver, ready: (error?: unknown) => void): void {
    if (this.#taken) throw new Error('a channel has one receiver');
    this.#taken = true;
    queueMicrotask(() => {
      try {
        // By index: a delivered frame may close the channel, which drops the rest.
        for (let i = 0; i < this.#kept.length; i++) deliver(receiver, this.#kept[i]!.type, this.#kept[i]!.body);
      } catch (error) {
        return ready(error);
      }
      this.drop();
      this.#receiver = receiver;
      return ready();
    });
  }

  /** Drops the kept frames. */
  drop(): void {
    this.#kept = [];
    this.#keptBytes = 0;
  }
}
