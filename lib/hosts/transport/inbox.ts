/** The receiving end of a channel: keeps what arrives before somebody receives it. */
import { deliver } from './frame.ts';
import type { Receiver } from './transport.ts';

export class Inbox implements Receiver {
  #kept: { readonly type: number; readonly body: Uint8Array }[] = [];
  #keptBytes = 0;
  #receiver: Receiver | undefined;
  #taken = false;

  /** Bytes that wait for a receiver. */
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
   * Delivers what was kept, once the caller has returned, and all that follows.
   *
   * @param ready called when what was kept is delivered, with what the receiver threw
   */
  open(receiver: Receiver, ready: (error?: unknown) => void): void {
    if (this.#taken) throw new Error('a channel has one receiver');
    this.#taken = true;
    queueMicrotask(() => {
      try {
        // By index: what is delivered may close the channel, which drops the rest.
        for (let i = 0; i < this.#kept.length; i++) deliver(receiver, this.#kept[i]!.type, this.#kept[i]!.body);
      } catch (error) {
        return ready(error);
      }
      this.drop();
      this.#receiver = receiver;
      return ready();
    });
  }

  /** Forgets what was kept. */
  drop(): void {
    this.#kept = [];
    this.#keptBytes = 0;
  }
}
