/** The functions of benchmarks about where and when things run. */
import { context } from '../../lib/task.ts';

const nobody = new Int32Array(new SharedArrayBuffer(4));

/** Sleeps for some ms over the speed of the node it is on. Timers would round to whole ms. */
export function sleepFor(_inputs: readonly unknown[], ms: number, speeds: Readonly<Record<string, number>>): void {
  Atomics.wait(nobody, 0, 0, ms / speeds[context().node]!);
}

/** Reads a little of each of its inputs, takes some ms, and gives so many bytes of its own. */
export function emit(inputs: readonly Uint8Array[], ms: number, bytes: number): Uint8Array {
  const sum = inputs.reduce((total, each) => total + each[0]! + each[each.length - 1]!, 0);
  Atomics.wait(nobody, 0, 0, ms);
  return new Uint8Array(new SharedArrayBuffer(bytes)).fill(sum + 1);
}
