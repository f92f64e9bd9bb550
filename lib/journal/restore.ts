/**
 * What a resumed run restores. A recorded function does not run again, unless its result is needed and its bytes were
 * not kept; then it runs again, and so do the functions above it whose bytes are missing for that.
 *
 * ```
 *   a ✓ ──► b ✓ ──► c ✓ ──► d          d has yet to run, and needs c; the bytes of c were not kept:
 *   bytes   bytes   none               c runs again from the bytes of b; a is done, and its bytes are not read
 * ```
 */
import type { RecordedEnd } from './replay.ts';

/** The functions of a run, with those that it has grown by. */
export interface Lineage {
  readonly size: number;
  /** The functions whose results a function takes. */
  inputsOf(i: number): Iterable<number>;
  /**
   * What the result of a function consists of, when it consists of results: the elements of a map, or the functions of
   * a graph. Such a function is not recorded, and does not run. Undefined for any other.
   */
  partsOf(i: number): Iterable<number> | undefined;
  /** Whether a function must not run again, so that its result is kept for functions that may. */
  isOnce(i: number): boolean;
}

export interface Restoration {
  /** Functions that are done, in ascending order. */
  readonly done: readonly number[];
  /** Those of them whose results are needed, or may be when other results are lost. */
  readonly needed: readonly number[];
}

/**
 * @param isRecorded whether a function has ended with a result
 * @param hasBytes whether that result can be read
 * @param kept which results the run keeps to its end: 1 for each; null for all
 */
export function toRestore(
  { size, inputsOf, partsOf, isOnce }: Lineage,
  isRecorded: (i: number) => boolean,
  hasBytes: (i: number) => boolean,
  kept: Uint8Array | null,
): Restoration {
  const isDone = new Uint8Array(size);
  const isNeeded = new Uint8Array(size);
  const toRun: number[] = [];
  const wanted: number[] = [];
  for (let i = 0; i < size; i++) {
    isDone[i] = Number(isRecorded(i));
    const isRunning = isDone[i] === 0 && partsOf(i) === undefined;
    if (isRunning) toRun.push(i);
    else if (kept === null || kept[i] === 1) wanted.push(i);
  }
  const needAll = (): void => {
    for (let i = wanted.pop(); i !== undefined; i = wanted.pop()) {
      if (isNeeded[i] === 1) continue;
      const parts = partsOf(i);
      if (parts !== undefined) for (const part of parts) wanted.push(part);
      else if (isDone[i] === 0) continue;
      else if (!hasBytes(i)) {
        isDone[i] = 0;
        toRun.push(i);
        continue;
      }
      isNeeded[i] = 1;
    }
  };
  needAll();
  for (let i = toRun.pop(); i !== undefined; i = toRun.pop()) {
    for (const input of inputsOf(i)) wanted.push(input);
    needAll();
  }
  // A function that is done stands on nothing; one that is not may stand on functions that are.
  const done: number[] = [];
  const needed: number[] = [];
  for (let i = 0; i < size; i++) {
    if (isDone[i] === 0) continue;
    done.push(i);
    if (isNeeded[i] === 1 || (isOnce(i) && hasBytes(i))) needed.push(i);
  }
  return { done, needed };
}

/**
 * What a scheduler has to know of a function that is done.
 *
 * @param isAbsent whether its result was not read
 */
export function toRestored({ node, value }: RecordedEnd, isAbsent: boolean) {
  // What is not plain is an object or a long text.
  return { node, isTruthy: value.kind !== 'plain' || Boolean(value.value), isAbsent };
}
