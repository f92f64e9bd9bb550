/** Where what is printed in a worker goes: to stderr, or to whoever wants to know which function said it. */

/** @param take takes a text; false: it is for stderr, as no function runs that it could be from. Undefined: all goes to stderr */
export function redirectPrints(take: ((text: string) => boolean) | undefined): void {
  const { stdout, stderr } = process;
  const print = stderr.write.bind(stderr) as (chunk: string | Uint8Array, ...rest: unknown[]) => boolean;
  if (take === undefined) {
    stdout.write = print as typeof stdout.write;
    return;
  }
  const write = (chunk: string | Uint8Array, ...rest: unknown[]): boolean => {
    if (!take(typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString())) return print(chunk, ...rest);
    const done = rest.find((each) => typeof each === 'function') as (() => void) | undefined;
    if (done !== undefined) queueMicrotask(done);
    return true;
  };
  stdout.write = stderr.write = write as typeof stdout.write;
}
