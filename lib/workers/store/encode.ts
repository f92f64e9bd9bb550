/** Values to payloads, and back. */
import { readFileSync } from 'node:fs';
import { fromErrorWire, toErrorWire } from '../../core/error-wire.ts';
import { isError } from '../../core/is-error.ts';
import { HandoffError } from '../../core/errors.ts';
import { findObstacle, notData } from '../../core/serializable.ts';
import { survey } from '../../core/survey.ts';
import {
  createView,
  lengthOf,
  ofShape,
  partLengths,
  partsOf,
  type PayloadData,
  minSharedBytes,
  toShared,
  viewTypeOf,
} from './payload.ts';
import { deserialize, serialize } from './serializer.ts';
import { isInstanceMemory } from '../../core/instance-memory.ts';
import { allocateShared, count } from './shared-memory.ts';

/**
 * The payload for a value, or undefined when structured clone does as well.
 *
 * @param isShared whether several threads may read it. Otherwise serialized bytes are in an ordinary buffer, which can be
 *   transferred instead of copied. Default true
 * @throws `NOT_SERIALIZABLE` for a value that cannot be sent, as far as this is visible without sending it
 */
export function encode(value: unknown, isShared = true): PayloadData | undefined {
  if (typeof value === 'string')
    return value.length >= minSharedBytes ? encodeWhole(value, false, isShared) : undefined;
  if (typeof value === 'object' && value !== null) return encodeObject(value, isShared);
  if (typeof value === 'function' || typeof value === 'symbol') throw notSerializable(value);
  return undefined;
}

function encodeObject(value: object, isShared: boolean): PayloadData | undefined {
  if (ArrayBuffer.isView(value)) return encodeView(value);
  if (value instanceof ArrayBuffer) return encodeBuffer(value);
  if (notData in value) throw notSerializable(value);
  if (isError(value)) return { kind: 'error', error: toErrorWire(value) };
  if (value instanceof SharedArrayBuffer) return undefined;
  return encodeGraph(value, isShared);
}

/** A value with other values in it: what they need decides how all of it is sent. */
function encodeGraph(value: object, isShared: boolean): PayloadData | undefined {
  const { size, deep, errors, sharedBuffers, buffers } = survey(value);
  if (deep) return encodeDeep(value, isShared);
  if (size < minSharedBytes && !errors && !buffers) return undefined;
  const encoded = encodeWhole(value, errors || sharedBuffers, isShared);
  return sharedBuffers && encoded?.kind === 'encoded' ? { ...encoded, live: true } : encoded;
}

function encodeBuffer(buffer: ArrayBuffer): PayloadData | undefined {
  return buffer.byteLength < minSharedBytes
    ? undefined
    : { kind: 'buffer', bytes: toShared(new Uint8Array(buffer)).bytes };
}

/** Deep values arrive in no other form. */
function encodeDeep(value: object, isShared: boolean): PayloadData {
  try {
    const { live, ...data } = serialize(value, true, isShared);
    return { kind: 'encoded', ...data, ...(live && { live }) };
  } catch (cause) {
    throw notSerializable(value, cause);
  }
}

function encodeView(view: ArrayBufferView): PayloadData | undefined {
  const type = viewTypeOf(view);
  const length = lengthOf(view);
  if (view.byteLength >= minSharedBytes) return { kind: 'view', view: type, ...toShared(view), length };
  if (type !== 'Buffer' && !isInstanceMemory(view.buffer)) return undefined;
  // Structured clone turns a Buffer into a Uint8Array and copies the whole pool behind a small one. For memory of a
  // WebAssembly instance it passes what the instance may still change.
  const copy = new Uint8Array(view.byteLength);
  copy.set(new Uint8Array(view.buffer, view.byteOffset, view.byteLength));
  return { kind: 'view', view: type, bytes: copy, byteOffset: 0, length };
}

function encodeWhole(value: unknown, flat: boolean, isShared: boolean): PayloadData | undefined {
  try {
    const { bytes, shared } = serialize(value, flat, isShared);
    return { kind: 'encoded', bytes, shared };
  } catch (cause) {
    if (findObstacle(value) !== undefined) throw notSerializable(value, cause);
    return undefined; // only a message port can carry it, such as a KeyObject
  }
}

/** The value of a payload. Views of shared memory are not copied: read them, do not write them. */
export function decode(data: PayloadData): unknown {
  switch (data.kind) {
    case 'view':
      if (data.bytes instanceof Uint8Array)
        return createView(data.view, data.bytes.buffer, data.bytes.byteOffset, data.length);
      return createView(data.view, count(data.bytes), data.byteOffset, data.length);
    case 'buffer': {
      const copy = new Uint8Array(data.bytes.byteLength);
      copy.set(new Uint8Array(data.bytes));
      return copy.buffer;
    }
    case 'encoded':
      data.shared.forEach(count);
      return deserialize(count(data.bytes), data.shared);
    case 'error':
      return fromErrorWire(data.error);
    case 'spilled':
      return decode(load(data));
    case 'remote':
      throw new LostResult(data.key, undefined);
  }
}

/** The value with memory of its own, which the reader may change. Only a SharedArrayBuffer of the user stays shared. */
export function decodeOwn(data: PayloadData): unknown {
  if (data.kind === 'view') return createView(data.view, unshared(partsOf(data)[0]!), 0, data.length);
  if (data.kind === 'encoded' && data.live !== true) {
    data.shared.forEach(count);
    return deserialize(
      count(data.bytes),
      data.shared.map((bytes) => unshared(new Uint8Array(bytes))),
    );
  }
  return data.kind === 'spilled' ? decodeOwn(load(data)) : decode(data);
}

function unshared(bytes: Uint8Array): ArrayBuffer {
  const copy = new Uint8Array(bytes.byteLength);
  copy.set(bytes);
  return copy.buffer;
}

/** Reads a spilled payload back into memory. */
export function load({ file, of }: Extract<PayloadData, { readonly kind: 'spilled' }>): PayloadData {
  const bytes = read(file);
  let from = 0;
  return ofShape(
    of,
    partLengths(of).map((length) => {
      const made = allocateShared(length);
      new Uint8Array(made).set(bytes.subarray(from, (from += length)));
      return made;
    }),
  );
}

/** A result in a file or on another host that cannot be read. */
export class LostResult extends Error {
  override readonly name = 'LostResult';
  readonly file: string;

  constructor(file: string, cause: unknown) {
    super(`a result cannot be read from ${file}`, { cause });
    this.file = file;
  }
}

function read(file: string): Uint8Array {
  try {
    return readFileSync(file);
  } catch (cause) {
    throw new LostResult(file, cause);
  }
}

/** The error for a value that cannot leave its thread, naming the part that prevents it. */
export function notSerializable(value: unknown, cause?: unknown): HandoffError {
  const obstacle = findObstacle(value);
  const path = `result${obstacle?.path ?? ''}`;
  const what =
    obstacle?.what ??
    (cause instanceof Error ? `refused: ${cause.message.replace(/\.$/, '')}` : 'a value that cannot be copied');
  return new HandoffError(
    'NOT_SERIALIZABLE',
    `The result cannot leave its thread: ${path} is ${what}. Return plain data.`,
    {
      path,
      ...(cause !== undefined && { cause }),
    },
  );
}
