/** The functions that benchmarks run. */

export function noop(): number {
  return 1;
}

export function add(a = 0, b = 0): number {
  return (a + b + 1) | 0;
}

export function increment(x = 0): number {
  return x + 1;
}

/**
 * Task Bench's compute-bound kernel: so many steps that depend on each other. What comes after is what it depends on.
 */
export function compute(steps: number): number {
  let x = 1;
  for (let i = 0; i < steps; i++) x = x * 1.000000001 + 1e-9;
  return x;
}

/** Task Bench's memory-bound kernel: goes over 512 KiB of this thread's own, in steps of a cache line. */
export function sweep(steps: number): number {
  let sum = 0;
  for (let i = 0; i < steps; i++) sum += field[(i * 8) & fieldMask]!;
  return sum;
}

const field = new Float64Array(65_536).fill(1);
const fieldMask = field.length - 1;

/** The same after others, whose results come first. */
export function computeAfter(...values: readonly number[]): number {
  return compute(values[values.length - 1]!);
}

export function sweepAfter(...values: readonly number[]): number {
  return sweep(values[values.length - 1]!);
}

export function emitAfter(...values: readonly unknown[]): Uint8Array {
  compute(values[values.length - 2] as number);
  return emit(values[values.length - 1] as number);
}

const never = new Int32Array(new SharedArrayBuffer(4));

/** Takes so many ms, and no core. What comes after others, whose results come first. */
export function sleepAfter(...values: readonly number[]): number {
  Atomics.wait(never, 0, 0, values[values.length - 1]!);
  return 0;
}

/** Task Bench's communication kernel: a little work, and so many bytes to pass on. */
export function emit(bytes: number): Uint8Array {
  return new Uint8Array(bytes).fill(1);
}

const held = new Map<number, Float64Array>();

/** The same shared array every time: what is measured is its way, not how it is filled. */
export function sharedArray(length: number): Float64Array {
  let array = held.get(length);
  if (array === undefined) held.set(length, (array = new Float64Array(new SharedArrayBuffer(length * 8)).fill(1)));
  return array;
}

/** Likewise, of ordinary memory. */
export function ordinaryArray(length: number): Float64Array {
  let array = held.get(-length);
  if (array === undefined) held.set(-length, (array = new Float64Array(length).fill(1)));
  return array;
}

/** So many objects, about 100 bytes each. */
export function objects(count: number): readonly object[] {
  return Array.from({ length: count }, (_, i) => ({
    id: i,
    name: `the name of number ${i}`,
    email: `number.${i}@example.org`,
    value: i / 2,
    isActive: i % 2 === 0,
    tags: ['a', 'b'],
  }));
}

/** A new one every time. */
export function freshArray(length: number, ..._inputs: readonly unknown[]): Float64Array {
  return new Float64Array(length).fill(1);
}

export function ends(array: Float64Array): number {
  return array[0]! + array[array.length - 1]!;
}

/** What pools other than ours have run: one function of this module, by name. */
export default function call([name, args]: [keyof typeof functions, readonly unknown[]]): unknown {
  return (functions[name] as (...values: readonly unknown[]) => unknown)(...args);
}

const functions = {
  noop,
  add,
  increment,
  compute,
  computeAfter,
  sweep,
  sweepAfter,
  emit,
  emitAfter,
  sleepAfter,
  sharedArray,
  ordinaryArray,
  objects,
  freshArray,
  ends,
};
