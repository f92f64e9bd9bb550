/**
 * V8's serializer, with large views kept apart in shared memory, and errors kept whole. Structure survives: Map, Set,
 * Date, RegExp, BigInt, typed arrays, cycles, and two places that hold the same object.
 */
import { Deserializer, Serializer } from 'node:v8';
import { type ErrorWire, fromErrorWire, toErrorWire } from '../../core/error-wire.ts';
import { flatten, type FlatTable, unflatten } from '../../core/flat.ts';
import { isInstanceMemory } from '../../core/instance-memory.ts';
import { allocateShared } from './shared-memory.ts';
import { createView, elementSize, lengthOf, toShared, type ViewType, viewTypeOf } from './payload.ts';

// A view smaller than this is written where it stands.
const apartFrom = 4096;

// What a host object is, in the bytes.
const Tag = { inlineView: 0, sharedView: 1, flat: 2, sharedBuffer: 3 } as const;

const viewTypes: readonly ViewType[] = [
  'Int8Array',
  'Uint8Array',
  'Uint8ClampedArray',
  'Int16Array',
  'Uint16Array',
  'Int32Array',
  'Uint32Array',
  'Float16Array',
  'Float32Array',
  'Float64Array',
  'BigInt64Array',
  'BigUint64Array',
  'DataView',
  'Buffer',
];

/**
 * Stands for what V8 would not write as we want it: a value that is deep or holds errors, or a SharedArrayBuffer, which
 * Node's deserializer cannot read back. Views are what V8 lets us write ourselves, so the stand-in is one.
 */
class StandIn extends Uint8Array {
  readonly subject: FlatTable | SharedArrayBuffer;

  constructor(subject: FlatTable | SharedArrayBuffer) {
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
      this.writeUint32(subject instanceof SharedArrayBuffer ? Tag.sharedBuffer : Tag.flat);
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
    const apart =
      view.byteLength >= apartFrom || (view.buffer instanceof SharedArrayBuffer && !isInstanceMemory(view.buffer));
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
    if (tag === Tag.flat) return unflatten(this.readValue() as FlatTable, (error) => fromErrorWire(error as ErrorWire));
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

export interface Serialized {
  readonly bytes: SharedArrayBuffer | ArrayBuffer;
  readonly shared: SharedArrayBuffer[];
  /** It holds a SharedArrayBuffer of the user's. Only known when it was written as a table. */
  readonly live: boolean;
}

/**
 * Serializes a value.
 *
 * @param flat whether it is written as a table: where it is deep, or holds errors or SharedArrayBuffers
 * @param isShared whether several threads read the bytes; otherwise they stay where V8 wrote them, to be transferred
 * @throws V8's error for what cannot be serialized
 */
export function serialize(value: unknown, flat: boolean, isShared: boolean): Serialized {
  const serializer = new ValueSerializer();
  let live = false;
  const toLeaf = (leaf: object): object => {
    if (!(leaf instanceof SharedArrayBuffer)) return leaf;
    live = true;
    return new StandIn(leaf);
  };
  serializer.writeHeader();
  serializer.writeValue(flat ? new StandIn(flatten(value as object, { error: toErrorWire, leaf: toLeaf })) : value);
  const written = serializer.releaseBuffer();
  if (!isShared && written.byteLength === written.buffer.byteLength)
    return { bytes: written.buffer as ArrayBuffer, shared: serializer.shared, live };
  const bytes = allocateShared(written.byteLength);
  new Uint8Array(bytes).set(written);
  return { bytes, shared: serializer.shared, live };
}

export function deserialize(
  bytes: SharedArrayBuffer | ArrayBuffer,
  shared: readonly (SharedArrayBuffer | ArrayBuffer)[],
): unknown {
  const deserializer = new ValueDeserializer(new Uint8Array(bytes), shared);
  deserializer.readHeader();
  return deserializer.readValue();
}
