/** The functions of the benchmarks. */

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
 * Task Bench's compute-bound kernel: `steps` operations, each depending on the one before. Extra arguments are
 * dependencies.
 */
export function compute(steps: number): number {
  let x = 1;
  for (let i = 0; i < steps; i++) x = x * 1.000000001 + 1e-9;
  return x;
}

/** Task Bench's memory-bound kernel: sweeps 512 KiB of this thread's memory, one cache line per step. */
export function sweep(steps: number): number {
  let sum = 0;
  for (let i = 0; i < steps; i++) sum += field[(i * 8) & fieldMask]!;
  return sum;
}

const field = new Float64Array(65_536).fill(1);
const fieldMask = field.length - 1;

/** The same with dependencies, whose results are the first arguments. */
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

/** Takes the given ms without using a core. The results of dependencies are the first arguments. */
export function sleepAfter(...values: readonly number[]): number {
  Atomics.wait(never, 0, 0, values[values.length - 1]!);
  return 0;
}

/** Task Bench's communication kernel: a little work, and the given number of bytes. */
export function emit(bytes: number): Uint8Array {
  return new Uint8Array(bytes).fill(1);
}

const held = new Map<number, Float64Array>();

/** Returns the same shared array every time: the transfer is measured, not the filling. */
export function sharedArray(length: number): Float64Array {
  let array = held.get(length);
  if (array === undefined) held.set(length, (array = new Float64Array(new SharedArrayBuffer(length * 8)).fill(1)));
  return array;
}

/** The same with ordinary memory. */
export function ordinaryArray(length: number): Float64Array {
  let array = held.get(-length);
  if (array === undefined) held.set(-length, (array = new Float64Array(length).fill(1)));
  return array;
}

/** `count` objects of about 100 bytes each. */
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

/** Returns a new array every time. */
export function freshArray(length: number, ..._inputs: readonly unknown[]): Float64Array {
  return new Float64Array(length).fill(1);
}

export function ends(array: Float64Array): number {
  return array[0]! + array[array.length - 1]!;
}

/** The entry for other pools: runs a function of this module by name. */
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
