/**
 * The parts of each message, for those who send and those who receive it. `wire.ts` checks them when a message arrives,
 * where user data that cannot be read is replaced by `Unreadable`.
 */
import type { Cost } from '../../dag/types.ts';
import type { ErrorWire } from '../../core/error-wire.ts';
import type { StartedBatches } from '../../workers/node/node-link.ts';
import type { ThreadCrash } from '../../workers/node/thread-messages.ts';
import type { RemoteData } from '../../workers/store/payload.ts';
import type { Heartbeat } from './clock.ts';
import type { CodeName } from './code-identity.ts';
import type { HostCard, Message, NodeCard, Unreadable } from './wire.ts';

type MessageNames = typeof Message;

export type MessageType = MessageNames[keyof MessageNames];

/** Why a thread died, as its host reports it. */
export interface CrashWire {
  readonly reason: ThreadCrash['reason'];
  readonly exitCode?: number | undefined;
  readonly error?: ErrorWire | undefined;
  /** The batch of the concurrent function that caused it, if known; 0: one of another scheduler. */
  readonly batch?: number | undefined;
}

interface PartsByName {
  ping: Heartbeat;
  hello: [card: HostCard];
  hosts: [addresses: readonly string[]];
  nodes: [nodes: readonly NodeCard[]];
  thread: [node: string, thread: number, isUp: boolean];
  request: [id: number, method: string, args: readonly unknown[] | Unreadable];
  response: [id: number, isOk: boolean, value: unknown];
  bulk: [];
  /** The beginning of a message. Its bytes are no list of parts. */
  part: never;
  code: [number: number, name: CodeName];
  batch: [
    node: string,
    thread: number,
    id: number,
    serial: number,
    flags: number,
    runId: string,
    dagId: string,
    size: number,
    program: Int32Array,
    values: readonly unknown[] | Unreadable,
    claim: Cost | undefined,
    downs: number,
  ];
  takeBack: [batch: number, count: number];
  cancel: [batch: number, why: 'aborted' | 'timeout'];
  kill: [node: string, thread: number, batch: number];
  release: [serial: number, keys: readonly string[]];
  endRun: [serial: number];
  prefetch: [serial: number, payload: RemoteData];
  ended: [
    batch: number,
    first: number,
    count: number,
    exceptions: readonly number[],
    durations: readonly number[],
    spans: readonly number[] | null,
    values: readonly unknown[] | Unreadable,
  ];
  started: [batch: number, index: number, at: number];
  takenBack: [batch: number, limit: number];
  threadDown: [node: string, thread: number, crash: CrashWire, started: StartedBatches];
  blocked: [node: string, thread: number, batch: number | null | undefined, ms: number];
  log: [
    node: string,
    runId: string,
    dagId: string,
    functionId: string,
    attempt: number,
    values: readonly ErrorWire[] | Unreadable,
  ];
  progress: [
    node: string,
    runId: string,
    dagId: string,
    functionId: string,
    attempt: number,
    fraction: number,
    note: string | undefined,
  ];
}

/** By message type: its parts. */
export type PartsOf<Type extends MessageType> = {
  [Name in keyof MessageNames]: MessageNames[Name] extends Type ? PartsByName[Name] : never;
}[keyof MessageNames];

/** A message that has passed the checks. `type` tells which parts it has. */
export type Received = { [Type in MessageType]: { readonly type: Type; readonly parts: PartsOf<Type> } }[MessageType];
