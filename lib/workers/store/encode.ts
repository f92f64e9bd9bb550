/** From a value to how it travels, and back. */
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
  shareFrom,
  toShared,
  viewTypeOf,
} from './payload.ts';
import { deserialize, serialize } from './serializer.ts';
import { isInstanceMemory } from '../../core/instance-memory.ts';
import { allocateShared, count } from './shared-memory.ts';

/**
 * How a value is best sent to another thread: as a payload, or undefined when structured clone will do as well.
 *
 * @param isShared whether several threads may read it. If not, what is serialized is in an ordinary buffer, which can be
 *   transferred and so is not copied.
 * @throws `NOT_SERIALIZABLE` for what cannot be sent at all, as far as that shows here
 */
export function encode(value: unknown, isShared = true): PayloadData | undefined {
  if (typeof value === 'string') return value.length >= shareFrom ? encodeWhole(value, false, isShared) : undefined;
  if (typeof value !== 'object' || value === null) {
    if (typeof value === 'function' || typeof value === 'symbol') throw notSerializable(value);
    return undefined;
  }
  if (ArrayBuffer.isView(value)) return encodeView(value);
  if (value instanceof ArrayBuffer) {
    return value.byteLength < shareFrom ? undefined : { kind: 'buffer', bytes: toShared(new Uint8Array(value)).bytes };
  }
  if (notData in value) throw notSerializable(value);
  if (isError(value)) return { kind: 'error', error: toErrorWire(value) };
  if (value instanceof SharedArrayBuffer) return undefined;
  const { size, deep, errors, sharedBuffers, buffers } = survey(value);
  if (deep) return encodeDeep(value, isShared);
  if (size < shareFrom && !errors && !buffers) return undefined;
  const encoded = encodeWhole(value, errors || sharedBuffers, isShared);
  return sharedBuffers && encoded?.kind === 'encoded' ? { ...encoded, live: true } : encoded;
}

/** By no other way would it arrive. */
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
  if (view.byteLength >= shareFrom) return { kind: 'view', view: type, ...toShared(view), length };
  if (type !== 'Buffer' && !isInstanceMemory(view.buffer)) return undefined;
  // Structured clone makes a Uint8Array of a Buffer, copies all of the pool that a small one is part of, and shares
  // what an instance goes on writing to.
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
    return undefined; // something that only a message port can carry, such as a KeyObject
  }
}

/**
 * The value that a payload stands for. Views of shared memory are the shared memory itself: to be read, not written.
 */
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

/**
 * The same value with memory of its own, which its reader may change. Only memory that the user shares on purpose stays
 * shared.
 */
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

/** A payload that is on disk, in memory again. */
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

/** A result that lies in a file, or on another host, and cannot be read from there. */
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

/** The error for a value that cannot leave its thread, saying which part of it is to blame. */
export function notSerializable(value: unknown, cause?: unknown): HandoffError {
  const obstacle = findObstacle(value);
  const path = `result${obstacle?.path ?? ''}`;
  const what =
    obstacle?.what ?? (cause instanceof Error ? `refused: ${cause.message}` : 'something that cannot be copied');
  return new HandoffError('NOT_SERIALIZABLE', `The result cannot leave its thread: ${path} is ${what}.`, {
    path,
    ...(cause !== undefined && { cause }),
  });
}
