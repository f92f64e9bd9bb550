/**
 * The one place where user functions are called.
 *
 * A worker that calls few distinct functions from one loop lets V8 inline them into it: the loop is then compiled, and
 * thrown away, again and again along with the user's code, which made CPU-bound functions two to six times slower in
 * our measurements. So the call sites are shown many functions first; V8 then treats them as megamorphic and leaves
 * user code to be compiled by itself.
 */
import type { Callable } from './code.ts';

export function invoke(fn: Callable, args: readonly unknown[]): unknown {
  switch (args.length) {
    case 0:
      return fn();
    case 1:
      return fn(args[0]);
    case 2:
      return fn(args[0], args[1]);
    case 3:
      return fn(args[0], args[1], args[2]);
    default:
      return fn(...args);
  }
}

/** Shows each call site more functions than V8 remembers by themselves. */
export function warmUp(): void {
  // Made by `eval`, as closures of one function literal would count as one.
  const dummies = Array.from(
    { length: 8 },
    // eslint-disable-next-line no-eval
    (_, i) => (0, eval)(`(function dummy${i}(a) { return ${i}; })`) as Callable,
  );
  for (let round = 0; round < 4; round++)
    for (const dummy of dummies) for (let count = 0; count <= 4; count++) invoke(dummy, [1, 2, 3, 4].slice(0, count));
}
