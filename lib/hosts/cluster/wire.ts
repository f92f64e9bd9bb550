/**
 * The messages on a control channel. Each frame is one message: its type, and a list in V8's serialization, which keeps
 * values as structured clone does. Only proven peers exchange messages.
 *
 * ```
 *   both                                     to the host of nodes                       from it
 *   [hello, card]                            [code, number, name]                       [ended, batch, first, count, exceptions,
 *   [hosts, addresses]                       [batch, node, thread, id, serial, flags,         durations, spans, values]
 *   [nodes, list]                                runId, dagId, size, program,           [started, batch, index, at]
 *   [thread, node, thread, isUp]                     values, claim, downs]                  [takenBack, batch, limit]
 *   [request, id, method, args]              [takeBack, batch, count]                   [threadDown, node, thread, crash, started]
 *                                            [cancel, batch, why]
 *   [response, id, isOk, value or error]     [kill, node, thread, batch]                  [log, node, runId, dagId, functionId, attempt, values]
 *   [bulk]                                   [release, serial, keys]
 *   [ping, leaves, left, arrived]            [endRun, serial]
 *                                            [prefetch, serial, payload]                [blocked, node, thread, batch, ms]
 * ```
 *
 * A message that is too long for a frame arrives in several: `part` frames with its beginning, and one of its own type
 * with its end.
 *
 * `downs` counts the failures of the thread that the sender knew. A batch sent before the sender knew of the last
 * failure is dropped, because the sender requeues its functions when that report arrives.
 *
 * Payloads in `values` are `PayloadWire`s.
 */
import { messageOf } from '../../core/message-of.ts';
import { DefaultDeserializer, serialize } from 'node:v8';
import { canTravel } from './can-travel.ts';
import type { Capabilities } from '../../dag/types.ts';
import { type ErrorWire, textOf, toErrorWire } from '../../core/error-wire.ts';
import { HandoffError } from '../../core/errors.ts';
import { show } from '../../core/show.ts';
import { isError } from '../../core/is-error.ts';
import type { BeaconCard } from '../transport/beacon/beacon.ts';
import { idBytes, keyBytes } from '../transport/beacon/key.ts';
import { cloneView } from '../../workers/store/payload.ts';
import {
  addresses,
  amounts,
  any,
  boolean,
  type Check,
  code,
  fields,
  finite,
  thread,
  list,
  listOf,
  name,
  nodeCards,
  number,
  optional,
  payload,
  record,
  time,
  whole,
} from './bounds.ts';
import { protocolError } from '../../core/protocol-error.ts';

export const Message = {
  ping: 0,
  hello: 1,
  hosts: 2,
  nodes: 3,
  thread: 4,
  request: 5,
  response: 6,
  bulk: 7,
  part: 8,
  code: 16,
  batch: 17,
  takeBack: 18,
  cancel: 19,
  kill: 20,
  release: 21,
  endRun: 22,
  prefetch: 23,
  ended: 32,
  started: 33,
  takenBack: 34,
  threadDown: 35,
  log: 36,
  blocked: 37,
  progress: 38,
} as const;

/** A node as its host announces it. */
export interface NodeCard {
  readonly name: string;
  readonly capabilities: Capabilities;
  readonly threads: number;
  readonly speed: number;
  readonly price?: number;
  /** How many concurrent functions a thread holds. */
  readonly concurrency: number;
  /** Indexes of its threads that are up. */
  readonly threadsUp: readonly number[];
  /** Its host is about to stop: send it nothing. */
  readonly draining?: boolean;
}

/** What a host announces about itself first. */
export interface HostCard {
  readonly nodes: readonly NodeCard[];
  /** Addresses of hosts that it knows. */
  readonly hosts: readonly string[];
  /** Where and with which key to send it heartbeats. */
  readonly beacon?: BeaconCard;
}

const bytes =
  (length: number): Check =>
  (value) =>
    value instanceof Uint8Array && value.byteLength === length;
const port: Check = (value) => whole(value) && (value as number) < 65_536;
const beacon = fields({ port, id: bytes(idBytes), key: bytes(keyBytes) });
const card = fields({ nodes: nodeCards, hosts: addresses, beacon: optional(beacon) });
/** Why a thread died. */
const crash = fields({
  reason: (value) => ['killed', 'exit', 'out-of-memory', 'uncaught', 'import', 'unreadable'].includes(value as string),
  exitCode: optional(number),
  batch: optional(whole),
});
/** A batch that had begun when its thread died. */
const startedBatch = fields({ batch: whole, started: whole });

const fraction: Check = (value) => typeof value === 'number' && value >= 0 && value <= 1;

/** By message type: the checks of its parts. */
const layouts: Readonly<Record<number, readonly Check[]>> = {
  [Message.ping]: [time, time, time],
  [Message.hello]: [card],
  [Message.hosts]: [addresses],
  [Message.nodes]: [nodeCards],
  [Message.thread]: [name, thread, boolean],
  [Message.request]: [whole, name, listOf(any, 16)],
  [Message.response]: [whole, boolean, any],
  [Message.bulk]: [],
  [Message.code]: [code, record],
  [Message.batch]: [
    name,
    thread,
    whole,
    whole,
    thread,
    name,
    name,
    whole,
    (value) => value instanceof Int32Array,
    list,
    optional(amounts),
    whole,
  ],
  [Message.takeBack]: [whole, whole],
  [Message.cancel]: [whole, (value) => value === 'aborted' || value === 'timeout'],
  [Message.kill]: [name, thread, whole],
  [Message.release]: [whole, listOf(name)],
  [Message.endRun]: [whole],
  [Message.prefetch]: [whole, payload],
  [Message.ended]: [whole, whole, whole, listOf(whole), listOf(finite), optional(listOf(time)), list],
  [Message.started]: [whole, whole, time],
  [Message.takenBack]: [whole, whole],
  [Message.threadDown]: [name, thread, crash, listOf(startedBatch)],
  [Message.blocked]: [name, thread, optional(whole), time],
  [Message.log]: [name, name, name, name, whole, list],
  [Message.progress]: [name, name, name, name, whole, fraction, optional((value) => typeof value === 'string')],
};

/**
 * By message type: which part is user data. It is serialized separately, so that a fault in it fails only what the
 * message is about, and not the connection.
 */
const dataAt: Readonly<Record<number, number>> = {
  [Message.request]: 2,
  [Message.response]: 2,
  [Message.batch]: 9,
  [Message.ended]: 6,
  [Message.log]: 5,
};

/** Replaces data that cannot be read here. */
export class Unreadable {
  readonly error: HandoffError;

  constructor(cause: unknown) {
    this.error = new HandoffError('NOT_SERIALIZABLE', `Data from another host cannot be read here: ${textOf(cause)}`, {
      cause,
    });
  }
}

const empty = new Uint8Array(0);

/** @throws `NOT_SERIALIZABLE` when V8 cannot serialize a part */
export function encodeMessage(type: number, parts: readonly unknown[]): Uint8Array {
  if (parts.length === 0) return empty;
  const at = dataAt[type];
  try {
    return serialize(at === undefined ? parts : parts.with(at, serialize(parts[at])));
  } catch (cause) {
    throw new HandoffError(
      'NOT_SERIALIZABLE',
      `A value cannot be sent to another host: ${messageOf(cause).replace(/[^.]$/, '$&.')} Pass plain data.`,
      {
        cause,
      },
    );
  }
}

/** An error in a form for other hosts: host objects in it, such as keys, only travel between threads. */
export function toTravellingError(thrown: unknown): ErrorWire {
  const wire = toErrorWire(thrown);
  return canTravel(wire)
    ? wire
    : toErrorWire(isError(thrown) ? Object.assign(new Error(textOf(thrown)), { name: thrown.name }) : textOf(thrown));
}

/**
 * The parts of a message. `Unreadable` replaces data that cannot be read.
 *
 * @throws `PROTOCOL_ERROR` when the message is not valid
 */
export function decodeMessage(type: number, body: Uint8Array): unknown[] {
  const layout = layouts[type];
  if (layout === undefined) throw protocolError(`A peer sent a message of type ${type}, which does not exist.`);
  const parts = body.length === 0 ? [] : read(type, body);
  const at = dataAt[type];
  if (at !== undefined) {
    if (!(parts[at] instanceof Uint8Array)) throw malformed(type);
    try {
      parts[at] = readValue(parts[at]);
    } catch (cause) {
      parts[at] = new Unreadable(cause);
    }
  }
  if (parts.length !== layout.length || !layout.every((check, k) => parts[k] instanceof Unreadable || check(parts[k])))
    throw malformed(type);
  return parts;
}

// A hook that Node calls but does not declare in its types.
declare module 'node:v8' {
  interface DefaultDeserializer {
    _readHostObject(): ArrayBufferView;
  }
}

/** Node returns views of the message, with which a port would copy the whole message. */
class MessageReader extends DefaultDeserializer {
  override _readHostObject(): ArrayBufferView {
    return cloneView(super._readHostObject());
  }
}

function readValue(body: Uint8Array): unknown {
  const reader = new MessageReader(body);
  reader.readHeader();
  return reader.readValue();
}

function read(type: number, body: Uint8Array): unknown[] {
  try {
    const value = readValue(body);
    if (Array.isArray(value)) return value;
  } catch (cause) {
    throw malformed(type, cause);
  }
  throw malformed(type);
}

/**
 * Refuses what the other host would take for a broken protocol, so that only what the message is about fails. Messages
 * without user data have nothing in them that a user could make too long.
 *
 * @throws `NOT_SERIALIZABLE` naming the part that is out of bounds
 */
export function checkSendable(type: number, parts: readonly unknown[]): void {
  if (dataAt[type] === undefined) return;
  const at = layouts[type]!.findIndex((check, k) => !check(parts[k]));
  if (at < 0) return;
  throw new HandoffError(
    'NOT_SERIALIZABLE',
    `The other host would refuse ${show(parts[at])}: it is too long or out of bounds. Use shorter ids and names, and fewer resources.`,
  );
}

function malformed(type: number, cause?: unknown): HandoffError {
  return protocolError(`A peer sent a malformed message of type ${type}.`, cause === undefined ? {} : { cause });
}
