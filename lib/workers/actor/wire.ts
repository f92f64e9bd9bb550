/**
 * The messages between an actor's cell and its thread. They travel over a port of their own; `ready`, `failed` and
 * `crashing` arrive as messages of the thread.
 *
 * ```
 *   to the actor                                   from the actor
 *   { method, args }   run it after all before     { id, reply }    of the id-th message
 *   { close: true }    dispose of the instance
 * ```
 *
 * Both sides number the messages from 1, so that even one that cannot be read gets an answer.
 */
import type { MessagePort } from 'node:worker_threads';
import type { FileMark } from '../code/file-mark.ts';
import type { ErrorWire } from '../../core/error-wire.ts';
import type { ValueWire } from '../store/value-wire.ts';

/** What an actor's thread receives at its start. */
export interface ActorStart {
  readonly port: MessagePort;
  /** Where its class is exported. */
  readonly url: string;
  readonly module: string;
  readonly export: string;
  /** The files of its module, as this host announced them. */
  readonly files: readonly FileMark[];
  /** Arguments of its constructor. */
  readonly args: readonly ValueWire[];
  /** The result of `snapshot()` before the last restart; undefined: none. */
  readonly snapshot: ValueWire | undefined;
  /** Take a snapshot after this many messages. */
  readonly snapshotInterval: number;
  /** Send its output to stderr. */
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
  /** The import of its module has ended, with or without an error. */
  | { readonly type: 'imported' }
  | { readonly type: 'ready' }
  /** The instance could not be created. */
  | { readonly type: 'failed'; readonly error: ErrorWire }
  /** An error was not caught; the thread ends after this message. */
  | { readonly type: 'crashing'; readonly error: ErrorWire };
