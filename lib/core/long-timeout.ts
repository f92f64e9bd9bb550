/** Timers as long as one likes: Node's own fire at once when they are told to wait longer than 2³¹ - 1 ms, about 25 days. */

const longest = 2 ** 31 - 1;

export interface LongTimeout {
  clear(): void;
}

/** Calls back after `ms`, unless it is cleared before. Like `setTimeout`, it keeps the process alive. */
export function setLongTimeout(callback: () => void, ms: number): LongTimeout {
  let timer: NodeJS.Timeout;
  const wait = (left: number): void => {
    timer = setTimeout(() => (left > longest ? wait(left - longest) : callback()), Math.min(left, longest));
  };
  wait(ms);
  return { clear: () => clearTimeout(timer) };
}
