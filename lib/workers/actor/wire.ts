/**
 * The wire between an actor's cell and its thread, over a port of their own; `ready`, `failed` and `crashing` come as
 * messages of the thread.
 *
 * ```
 *   to the actor                                   from the actor
 *   { method, args }   run it after all before     { id, reply }    of the id-th message
 *   { close: true }    dispose of the instance
 * ```
 *
 * Messages are numbered by both sides as they go, from 1, so that one that cannot be read can still be answered.
 */
import type { MessagePort } from 'node:worker_threads';
import type { FileMark } from '../code/file-mark.ts';
import type { ErrorWire } from '../../core/error-wire.ts';
import type { ValueWire } from '../store/value-wire.ts';

/** What an actor's thread is started with. */
export interface ActorStart {
  readonly port: MessagePort;
  /** Where its class is. */
  readonly url: string;
  readonly module: string;
  readonly export: string;
  /** What its module is made of, as this host announced it. */
  readonly files: readonly FileMark[];
  /** For its constructor. */
  readonly args: readonly ValueWire[];
  /** What `snapshot()` gave before the last restart; undefined: there is none. */
  readonly snapshot: ValueWire | undefined;
  /** A snapshot is taken after so many messages. */
  readonly snapshotInterval: number;
  /** What it prints goes to stderr. */
  readonly toStderr: boolean;
}

export type ToActor = { readonly method: string; readonly args: readonly ValueWire[] } | { readonly close: true };

export interface Answer {
  readonly id: number;
  readonly reply: Reply;
}

export type Reply = { readonly snapshot?: ValueWire } & (
  { readonly ok: true; readonly value: ValueWire } | { readonly ok: false; readonly error: ErrorWire }
);

export type FromActor =
  /** Its module is imported, well or not. */
  | { readonly type: 'imported' }
  | { readonly type: 'ready' }
  /** It could not be made. */
  | { readonly type: 'failed'; readonly error: ErrorWire }
  /** Something was thrown that nobody caught; the thread ends after this. */
  | { readonly type: 'crashing'; readonly error: ErrorWire };
