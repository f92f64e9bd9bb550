/**
 * What a resumed run restores. A recorded function does not run again, unless its result is needed and its bytes were
 * not kept; then it runs again, and so do the functions above it whose bytes are missing for that.
 *
 * ```
 *   a ✓ ──► b ✓ ──► c ✓ ──► d          d has yet to run, and needs c; the bytes of c were not kept:
 *   bytes   bytes   none               c runs again from the bytes of b; a is done, and its bytes are not read
 * ```
 */
import type { CompiledDag } from '../dag/compiled-dag.ts';
import type { RecordedEnd } from './replay.ts';

export interface Restoration {
  /** Functions that are done, in ascending order. */
  readonly done: readonly number[];
  /** Those of them whose results are needed. */
  readonly needed: readonly number[];
}

/**
 * @param isRecorded whether a function has ended with a result
 * @param hasBytes whether that result can be read
 * @param kept which results the run keeps to its end: 1 for each; null for all
 */
export function toRestore(
  { size, depOffset, deps, outOffset, outs }: CompiledDag,
  isRecorded: (i: number) => boolean,
  hasBytes: (i: number) => boolean,
  kept: Uint8Array | null,
): Restoration {
  const isDone = new Uint8Array(size);
  for (let i = 0; i < size; i++) isDone[i] = Number(isRecorded(i));
  const isNeeded = new Uint8Array(size);
  const open: number[] = [];
  const need = (i: number): void => {
    if (isDone[i] === 0 || isNeeded[i] === 1) return;
    if (hasBytes(i)) {
      isNeeded[i] = 1;
      return;
    }
    isDone[i] = 0;
    open.push(i);
  };
  for (let i = 0; i < size; i++) {
    if (isRecorded(i)) {
      if (kept === null || kept[i] === 1) need(i);
    } else {
      open.push(i);
    }
  }
  for (let i = open.pop(); i !== undefined; i = open.pop())
    for (let k = depOffset[i]!; k < depOffset[i + 1]!; k++) need(deps[k]!);
  // A function that is done stands on nothing; one that is not may stand on functions that are.
  const done: number[] = [];
  const needed: number[] = [];
  for (let i = 0; i < size; i++) {
    if (isDone[i] === 0) continue;
    done.push(i);
    if (isNeeded[i] === 1 && (kept === null || kept[i] === 1 || hasOpenReader(i))) needed.push(i);
  }
  return { done, needed };

  function hasOpenReader(i: number): boolean {
    for (let k = outOffset[i]!; k < outOffset[i + 1]!; k++) if (isDone[outs[k]!] === 0) return true;
    return false;
  }
}

/** What a scheduler has to know of a function that is done. */
export function toRestored({ node, value }: RecordedEnd): { readonly node: string; readonly isTruthy: boolean } {
  // What is not plain is an object or a long text.
  return { node, isTruthy: value.kind !== 'plain' || Boolean(value.value) };
}
