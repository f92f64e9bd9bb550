/**
 * V8's serializer, with large views kept separately in shared memory, and errors kept whole. Structure survives: Map,
 * Set, Date, RegExp, BigInt, typed arrays, cycles, and shared references.
 */
import { type ErrorWire, fromErrorWire, toErrorWire } from '../../core/error-wire.ts';
import { flatten, type FlatTable, unflatten } from '../../core/flat.ts';
import { isInstanceMemory } from '../../core/instance-memory.ts';
import { allocateShared } from './shared-memory.ts';
import { createView, elementSize, lengthOf, toShared, type ViewType, viewTypeOf } from './payload.ts';

// Views of at least this many bytes are stored separately; smaller ones are written inline.
const minSeparateBytes = 4096;

// Tags of host objects in the bytes.
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
 * Stands for a value that V8 would not write as needed: one that is deep or holds errors, or a SharedArrayBuffer, which
 * Node's deserializer cannot read back. It is a view, because V8 lets us write views ourselves.
 */
class StandIn extends Uint8Array {
  readonly subject: FlatTable | SharedArrayBuffer;

  constructor(subject: FlatTable | SharedArrayBuffer) {
    super(0);
    this.subject = subject;
  }
}

// Hooks that Node calls but does not declare in its types.
declare module 'node:v8' {
  interface Serializer {
    _setTreatArrayBufferViewsAsHostObjects(flag: boolean): void;
  }
}

/** Node's module of the serializer, which is loaded when the first value needs it. */
function v8(): typeof import('node:v8') {
  return process.getBuiltinModule('node:v8');
}

const serializerClass = once(
  () =>
    class ValueSerializer extends v8().Serializer {
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
        const separate =
          view.byteLength >= minSeparateBytes ||
          (view.buffer instanceof SharedArrayBuffer && !isInstanceMemory(view.buffer));
        this.writeUint32(separate ? Tag.sharedView : Tag.inlineView);
        this.writeUint32(viewTypes.indexOf(viewTypeOf(view)));
        if (separate) {
          const { bytes, byteOffset } = toShared(view);
          this.writeUint32(this.#idOf(bytes));
          this.writeDouble(byteOffset);
          this.writeDouble(lengthOf(view));
        } else {
          this.writeUint32(view.byteLength);
          this.writeRawBytes(new Uint8Array(view.buffer, view.byteOffset, view.byteLength));
        }
      }
    },
);

const deserializerClass = once(
  () =>
    class ValueDeserializer extends v8().Deserializer {
      readonly #shared: readonly (SharedArrayBuffer | ArrayBuffer)[];

      constructor(bytes: Uint8Array, shared: readonly (SharedArrayBuffer | ArrayBuffer)[]) {
        super(bytes);
        this.#shared = shared;
      }

      _readHostObject(): unknown {
        const tag = this.readUint32();
        if (tag === Tag.flat)
          return unflatten(this.readValue() as FlatTable, (error) => fromErrorWire(error as ErrorWire));
        if (tag === Tag.sharedBuffer) return this.#shared[this.readUint32()];
        const type = viewTypes[this.readUint32()]!;
        if (tag === Tag.sharedView) {
          const buffer = this.#shared[this.readUint32()]!;
          return createView(type, buffer, this.readDouble(), this.readDouble());
        }
        const byteLength = this.readUint32();
        const copy = new Uint8Array(this.readRawBytes(byteLength)); // copied, because all readers share the bytes
        return createView(type, copy.buffer, 0, byteLength / elementSize(type));
      }
    },
);

function once<Result>(make: () => Result): () => Result {
  let made: Result | undefined;
  return () => (made ??= make());
}

export interface Serialized {
  readonly bytes: SharedArrayBuffer | ArrayBuffer;
  readonly shared: SharedArrayBuffer[];
  /** Contains a SharedArrayBuffer of the user. Known only for values written as a table. */
  readonly live: boolean;
}

/**
 * Serializes a value.
 *
 * @param flat write the value as a table: needed when it is deep, or holds errors or SharedArrayBuffers
 * @param isShared whether several threads read the bytes; otherwise they stay in V8's buffer, to be transferred
 * @throws V8's error for a value that cannot be serialized
 */
export function serialize(value: unknown, flat: boolean, isShared: boolean): Serialized {
  const serializer = new (serializerClass())();
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
  const deserializer = new (deserializerClass())(new Uint8Array(bytes), shared);
  deserializer.readHeader();
  return deserializer.readValue();
}
