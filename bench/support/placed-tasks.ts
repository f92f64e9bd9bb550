/** The functions of benchmarks about placement and timing. */
import { context } from '../../lib/task.ts';

const nobody = new Int32Array(new SharedArrayBuffer(4));

/** Sleeps for `ms` divided by the speed of its node. Timers would round to whole ms. */
export function sleepFor(_inputs: readonly unknown[], ms: number, speeds: Readonly<Record<string, number>>): void {
  Atomics.wait(nobody, 0, 0, ms / speeds[context().node]!);
}

/** Reads a little of each input, takes `ms`, and returns `bytes` of its own. */
export function emit(inputs: readonly Uint8Array[], ms: number, bytes: number): Uint8Array {
  const sum = inputs.reduce((total, each) => total + each[0]! + each[each.length - 1]!, 0);
  Atomics.wait(nobody, 0, 0, ms);
  return new Uint8Array(new SharedArrayBuffer(bytes)).fill(sum + 1);
}
