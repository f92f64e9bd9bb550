/**
 * How results travel between threads. Small plain values use structured clone. All others become a payload:
 *
 * ```
 *   view      a typed array, DataView or Buffer    its bytes in shared memory, read by every thread without a copy
 *   buffer    an ArrayBuffer                       its bytes in shared memory, copied by each reader
 *   encoded   any other large value                serialized once, into shared memory if another thread may read it;
 *                                                  large views separately
 *   error     an Error                             as data, so that its class and fields survive
 *   spilled   one of the first three               the same bytes in a file
 *   remote    one of the first three               the same bytes on another host, under a key
 * ```
 */
import type { ErrorWire } from '../../core/error-wire.ts';
import { isInstanceMemory } from '../../core/instance-memory.ts';
import { allocateShared, count } from './shared-memory.ts';

/** The classes a view can have, by name. */
export type ViewType =
  | 'Int8Array'
  | 'Uint8Array'
  | 'Uint8ClampedArray'
  | 'Int16Array'
  | 'Uint16Array'
  | 'Int32Array'
  | 'Uint32Array'
  | 'Float16Array'
  | 'Float32Array'
  | 'Float64Array'
  | 'BigInt64Array'
  | 'BigUint64Array'
  | 'DataView'
  | 'Buffer';

/** Plain data for structured clone; shared memory passes by reference. */
export type PayloadData =
  | {
      readonly kind: 'view';
      readonly view: ViewType;
      readonly bytes: SharedArrayBuffer | Uint8Array;
      readonly byteOffset: number;
      readonly length: number;
    }
  | { readonly kind: 'buffer'; readonly bytes: SharedArrayBuffer }
  /** `live`: contains a SharedArrayBuffer of the user, through which readers see each other's writes. */
  | {
      readonly kind: 'encoded';
      readonly bytes: SharedArrayBuffer | ArrayBuffer;
      readonly shared: readonly SharedArrayBuffer[];
      readonly live?: boolean;
    }
  | { readonly kind: 'error'; readonly error: ErrorWire }
  | { readonly kind: 'spilled'; readonly file: string; readonly of: Shape }
  | RemoteData;

/** Bytes on another host. */
export interface RemoteData {
  readonly kind: 'remote';
  readonly host: string;
  readonly key: string;
  readonly of: Shape;
}

/** The form of bytes that are elsewhere. `parts`: byte lengths of the consecutive parts. */
export type Shape =
  | { readonly kind: 'view'; readonly view: ViewType; readonly length: number }
  | { readonly kind: 'buffer'; readonly length: number }
  | { readonly kind: 'encoded'; readonly parts: readonly number[] };

/** A result in payload form. */
export class Payload {
  /** Changes when the result is spilled to disk. */
  data: PayloadData;

  constructor(data: PayloadData) {
    this.data = data;
    if (isHere(data) && data.bytes instanceof SharedArrayBuffer) count(data.bytes);
    if (data.kind === 'encoded') data.shared.forEach(count);
  }

  /** Bytes of memory it holds. */
  get byteLength(): number {
    const { data } = this;
    if (!isHere(data)) return 0;
    if (data.kind === 'view') return data.length * elementSize(data.view);
    const own = data.bytes.byteLength;
    return data.kind === 'encoded' ? data.shared.reduce((sum, buffer) => sum + buffer.byteLength, own) : own;
  }
}

/** Whether its bytes are in memory. */
export function isHere(
  data: PayloadData,
): data is Exclude<PayloadData, { readonly kind: 'error' | 'spilled' | 'remote' }> {
  return data.kind !== 'error' && data.kind !== 'spilled' && data.kind !== 'remote';
}

/** Values of at least this many bytes go to shared memory. Below, cloning is cheaper than allocating shared memory. */
export const minSharedBytes = 64 * 1024;

export function viewTypeOf(view: ArrayBufferView): ViewType {
  return Buffer.isBuffer(view) ? 'Buffer' : (Object.prototype.toString.call(view).slice(8, -1) as ViewType);
}

/** The length a view's constructor takes: elements, or bytes for a DataView. */
export function lengthOf(view: ArrayBufferView): number {
  return view instanceof DataView ? view.byteLength : (view as Uint8Array).length;
}

type ViewConstructor = new (buffer: ArrayBufferLike, byteOffset: number, length: number) => ArrayBufferView;

/** Bytes per element of a view. */
export function elementSize(type: ViewType): number {
  if (type === 'DataView' || type === 'Buffer') return 1;
  return (globalThis as unknown as Record<string, { BYTES_PER_ELEMENT: number }>)[type]!.BYTES_PER_ELEMENT;
}

/** A view of the given class over some memory. */
export function createView(
  type: ViewType,
  buffer: ArrayBufferLike,
  byteOffset: number,
  length: number,
): ArrayBufferView {
  if (type === 'Buffer') return Buffer.from(buffer as ArrayBuffer, byteOffset, length);
  const View = (globalThis as unknown as Record<string, ViewConstructor>)[type];
  if (View === undefined) throw new TypeError(`this version of Node has no ${type}`);
  return new View(buffer, byteOffset, length);
}

/** Copies a view and only the bytes it covers. Much faster than structured clone, which copies the whole buffer. */
export function cloneView(view: ArrayBufferView): ArrayBufferView {
  const { buffer, byteOffset, byteLength } = view;
  return createView(viewTypeOf(view), buffer.slice(byteOffset, byteOffset + byteLength), 0, lengthOf(view));
}

/** Byte lengths of the consecutive parts. */
export function partLengths(shape: Shape): readonly number[] {
  switch (shape.kind) {
    case 'view':
      return [shape.length * elementSize(shape.view)];
    case 'buffer':
      return [shape.length];
    case 'encoded':
      return shape.parts;
  }
}

/** Bytes of a payload, wherever they are. */
export function bytesOf(data: PayloadData): number {
  const shape = shapeOf(data);
  return shape === undefined ? 0 : partLengths(shape).reduce((sum, length) => sum + length, 0);
}

/** The bytes of a view in shared memory. Copies only when they are not there yet or may still change. */
export function toShared(view: ArrayBufferView): { readonly bytes: SharedArrayBuffer; readonly byteOffset: number } {
  if (view.buffer instanceof SharedArrayBuffer && !isInstanceMemory(view.buffer))
    return { bytes: count(view.buffer), byteOffset: view.byteOffset };
  const bytes = allocateShared(view.byteLength);
  new Uint8Array(bytes).set(new Uint8Array(view.buffer, view.byteOffset, view.byteLength));
  return { bytes, byteOffset: 0 };
}

/** The bytes of a payload, in the order in which a spill file holds them. */
export function partsOf(data: PayloadData): Uint8Array[] {
  switch (data.kind) {
    case 'view': {
      const length = data.length * elementSize(data.view);
      return [data.bytes instanceof Uint8Array ? data.bytes : new Uint8Array(data.bytes, data.byteOffset, length)];
    }
    case 'buffer':
      return [new Uint8Array(data.bytes)];
    case 'encoded':
      return [data.bytes, ...data.shared].map((bytes) => new Uint8Array(bytes));
    default:
      return [];
  }
}

/** The form of a payload, without its bytes; undefined for an error, which has none. */
export function shapeOf(data: PayloadData): Shape | undefined {
  switch (data.kind) {
    case 'view':
      return { kind: 'view', view: data.view, length: data.length };
    case 'buffer':
      return { kind: 'buffer', length: data.bytes.byteLength };
    case 'encoded':
      return { kind: 'encoded', parts: [data.bytes, ...data.shared].map(({ byteLength }) => byteLength) };
    case 'spilled':
    case 'remote':
      return data.of;
    case 'error':
      return undefined;
  }
}

/** A payload of the given form over consecutive parts in shared memory. */
export function ofShape(shape: Shape, parts: readonly SharedArrayBuffer[]): PayloadData {
  const [bytes, ...shared] = parts as [SharedArrayBuffer, ...SharedArrayBuffer[]];
  switch (shape.kind) {
    case 'view':
      return { kind: 'view', view: shape.view, bytes, byteOffset: 0, length: shape.length };
    case 'buffer':
      return { kind: 'buffer', bytes };
    case 'encoded':
      return { kind: 'encoded', bytes, shared };
  }
}

/** The same payload with its bytes in a file. */
export function spilled(data: PayloadData, file: string): PayloadData {
  const of = shapeOf(data);
  return of === undefined ? data : { kind: 'spilled', file, of };
}
