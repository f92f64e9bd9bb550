/**
 * V8's serializer, with large views kept apart in shared memory, and errors kept whole. Structure survives: Map, Set, Date, RegExp,
 * BigInt, typed arrays, cycles, and two places that hold the same object.
 */
import { Deserializer, Serializer } from 'node:v8';
import { type ErrorWire, fromErrorWire, isError, toErrorWire } from '../../core/error-wire.ts';
import { allocateShared } from './shared-memory.ts';
import { createView, elementSize, lengthOf, toShared, type ViewType, viewTypeOf } from './payload.ts';

// A view smaller than this is written where it stands.
const apartFrom = 4096;

// What a host object is, in the bytes.
const Tag = { inlineView: 0, sharedView: 1, error: 2, sharedBuffer: 3 } as const;

const viewTypes: readonly ViewType[] = [
  'Int8Array', 'Uint8Array', 'Uint8ClampedArray', 'Int16Array', 'Uint16Array', 'Int32Array', 'Uint32Array', 'Float16Array',
  'Float32Array', 'Float64Array', 'BigInt64Array', 'BigUint64Array', 'DataView', 'Buffer',
];

/**
 * Stands for what V8 would not write as we want it: an Error, which would lose its class, or a SharedArrayBuffer, which Node's
 * deserializer cannot read back. Views are what V8 lets us write ourselves, so the stand-in is one.
 */
class StandIn extends Uint8Array {
  readonly subject: ErrorWire | SharedArrayBuffer;

  constructor(subject: ErrorWire | SharedArrayBuffer) {
    super(0);
    this.subject = subject;
  }
}

// Hooks that Node calls and its types do not name.
declare module 'node:v8' {
  interface Serializer {
    _setTreatArrayBufferViewsAsHostObjects(flag: boolean): void;
  }
}

class ValueSerializer extends Serializer {
  readonly shared: SharedArrayBuffer[] = [];

  constructor() {
    super();
    this._setTreatArrayBufferViewsAsHostObjects(true);
  }

  _writeHostObject(object: object): void {
    if (object instanceof StandIn) {
      const { subject } = object;
      this.writeUint32(subject instanceof SharedArrayBuffer ? Tag.sharedBuffer : Tag.error);
      if (subject instanceof SharedArrayBuffer) this.writeUint32(this.#idOf(subject));
      else this.writeValue(subject);
    } else if (ArrayBuffer.isView(object)) {
      this.#writeView(object);
    } else {
      throw new TypeError(`a ${object.constructor?.name ?? 'host object'} cannot be serialized`);
    }
  }

  #idOf(buffer: SharedArrayBuffer): number {
    const known = this.shared.indexOf(buffer);
    return known >= 0 ? known : this.shared.push(buffer) - 1;
  }

  #writeView(view: ArrayBufferView): void {
    const apart = view.byteLength >= apartFrom || view.buffer instanceof SharedArrayBuffer;
    this.writeUint32(apart ? Tag.sharedView : Tag.inlineView);
    this.writeUint32(viewTypes.indexOf(viewTypeOf(view)));
    if (apart) {
      const { bytes, byteOffset } = toShared(view);
      this.writeUint32(this.#idOf(bytes));
      this.writeDouble(byteOffset);
      this.writeDouble(lengthOf(view));
    } else {
      this.writeUint32(view.byteLength);
      this.writeRawBytes(new Uint8Array(view.buffer, view.byteOffset, view.byteLength));
    }
  }
}

class ValueDeserializer extends Deserializer {
  readonly #shared: readonly (SharedArrayBuffer | ArrayBuffer)[];

  constructor(bytes: Uint8Array, shared: readonly (SharedArrayBuffer | ArrayBuffer)[]) {
    super(bytes);
    this.#shared = shared;
  }

  _readHostObject(): unknown {
    const tag = this.readUint32();
    if (tag === Tag.error) return fromErrorWire(this.readValue() as ErrorWire);
    if (tag === Tag.sharedBuffer) return this.#shared[this.readUint32()];
    const type = viewTypes[this.readUint32()]!;
    if (tag === Tag.sharedView) {
      const buffer = this.#shared[this.readUint32()]!;
      return createView(type, buffer, this.readDouble(), this.readDouble());
    }
    const byteLength = this.readUint32();
    const copy = new Uint8Array(this.readRawBytes(byteLength)); // a copy, as the bytes belong to all who read them
    return createView(type, copy.buffer, 0, byteLength / elementSize(type));
  }
}

/**
 * Serializes a value.
 *
 * @param exotic whether there are errors or SharedArrayBuffers in it; they need a copy of what holds them
 * @throws V8's error for what cannot be serialized
 */
export function serialize(value: unknown, exotic: boolean): { readonly bytes: SharedArrayBuffer; readonly shared: SharedArrayBuffer[] } {
  const serializer = new ValueSerializer();
  serializer.writeHeader();
  serializer.writeValue(exotic ? withStandIns(value, new Map()) : value);
  const written = serializer.releaseBuffer();
  const bytes = allocateShared(written.byteLength);
  new Uint8Array(bytes).set(written);
  return { bytes, shared: serializer.shared };
}

export function deserialize(bytes: SharedArrayBuffer, shared: readonly (SharedArrayBuffer | ArrayBuffer)[]): unknown {
  const deserializer = new ValueDeserializer(new Uint8Array(bytes), shared);
  deserializer.readHeader();
  return deserializer.readValue();
}

/** The same structure with stand-ins: same sharing, same cycles. */
function withStandIns(value: unknown, made: Map<object, unknown>): unknown {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value;
  const known = made.get(value);
  if (known !== undefined) return known;
  if (isError(value)) return remember(new StandIn(toErrorWire(value)));
  if (value instanceof SharedArrayBuffer) return remember(new StandIn(value));
  if (Array.isArray(value)) {
    const copy: unknown[] = remember([]);
    copy.length = value.length; // keys alone, so that holes stay holes, and further properties are kept
    for (const key of Object.keys(value)) copy[key as unknown as number] = withStandIns(value[key as unknown as number], made);
    return copy;
  }
  if (value instanceof Map) {
    const copy = remember(new Map<unknown, unknown>());
    for (const [key, item] of value) copy.set(withStandIns(key, made), withStandIns(item, made));
    return copy;
  }
  if (value instanceof Set) {
    const copy = remember(new Set<unknown>());
    for (const item of value) copy.add(withStandIns(item, made));
    return copy;
  }
  const tag = Object.prototype.toString.call(value);
  if (tag !== '[object Object]') return value; // Date, RegExp, boxed primitives, buffers
  const plain: Record<string, unknown> = remember({});
  for (const key of Object.keys(value)) plain[key] = withStandIns((value as Record<string, unknown>)[key], made);
  return plain;

  function remember<Copy>(copy: Copy): Copy {
    made.set(value as object, copy);
    return copy;
  }
}
