/**
 * The wire between an actor's cell and its thread. Calls go by Comlink over a port of their own; `ready`, `failed` and `crashing` come as
 * messages of the thread.
 */
import type { MessagePort } from 'node:worker_threads';
import type { ErrorWire } from '../../core/error-wire.ts';

/** What an actor's thread is started with. */
export interface ActorStart {
  readonly port: MessagePort;
  /** Where its class is. */
  readonly url: string;
  readonly module: string;
  readonly export: string;
  /** For its constructor. */
  readonly args: readonly unknown[];
  /** What `snapshot()` gave before the last restart; undefined: there is none. */
  readonly snapshot: { readonly state: unknown } | undefined;
  /** A snapshot is taken after so many messages. */
  readonly snapshotEvery: number;
  /** What it prints goes to stderr. */
  readonly quiet: boolean;
}

/** What an actor's thread offers. */
export interface ActorHost {
  /** Runs a method when all before it are done. */
  call(method: string, args: readonly unknown[]): Promise<Reply>;
  /** Disposes of the actor when what runs is done. */
  close(): Promise<void>;
}

export interface Reply {
  readonly ok: boolean;
  readonly value?: unknown;
  readonly error?: ErrorWire;
  readonly snapshot?: { readonly state: unknown };
}

export type FromActor =
  | { readonly type: 'ready' }
  /** It could not be made. */
  | { readonly type: 'failed'; readonly error: ErrorWire }
  /** Something was thrown that nobody caught; the thread ends after this. */
  | { readonly type: 'crashing'; readonly error: ErrorWire };
