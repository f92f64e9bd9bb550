/** Stacks of user code without the frames below it, which belong to this library and to Node. */

// lib/ when run unbuilt, the folder of the built package otherwise: both lie one level above this module.
const ownFolder = new URL('..', import.meta.url).href;

/**
 * Drops the frames at the end of a stack that only say how this library called the function.
 *
 * @param stack the stack of an error
 * @param folder the URL of the folder whose frames are dropped (default: this library's)
 * @returns the stack down to the outermost frame of other code; the whole stack if it has no such frame
 */
export function userStackOf(stack: string, folder: string = ownFolder): string {
  const lines = stack.split('\n');
  const isFrame = (line: string): boolean => /^\s+at /.test(line);
  const isOwn = (line: string): boolean => line.includes(folder) || /\bnode:|\(<anonymous>\)$/.test(line);
  const last = lines.findLastIndex((line) => !isFrame(line) || !isOwn(line));
  return last >= 0 && isFrame(lines[last]!) ? lines.slice(0, last + 1).join('\n') : stack;
}
