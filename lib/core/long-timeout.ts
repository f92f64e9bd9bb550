/** Timers of any length. Node's own timers fire at once when the delay exceeds 2³¹ - 1 ms, about 25 days. */

const maxDelayMs = 2 ** 31 - 1;

export interface LongTimeout {
  clear(): void;
}

/** Calls `callback` after `ms`, unless cleared before. Like `setTimeout`, it keeps the process alive. */
export function setLongTimeout(callback: () => void, ms: number): LongTimeout {
  let timer: NodeJS.Timeout;
  const wait = (left: number): void => {
    timer = setTimeout(() => (left > maxDelayMs ? wait(left - maxDelayMs) : callback()), Math.min(left, maxDelayMs));
  };
  wait(ms);
  return { clear: () => clearTimeout(timer) };
}
