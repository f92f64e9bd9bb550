/**
 * The only place that calls user functions.
 *
 * A thread that calls few distinct functions from one loop makes V8 inline them into that loop. The loop is then
 * compiled and discarded again and again, together with the user's code, which made CPU-bound functions two to six
 * times slower in our measurements. So `warmUp` passes many functions through the call sites first: V8 then treats them
 * as megamorphic and compiles user code separately.
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

/** Calls more functions at each call site than V8's inline caches hold. */
export function warmUp(): void {
  // Made by `eval`, because closures of one function literal count as one function.
  const dummies = Array.from(
    { length: 8 },
    // eslint-disable-next-line no-eval
    (_, i) => (0, eval)(`(function dummy${i}(a) { return ${i}; })`) as Callable,
  );
  for (let round = 0; round < 4; round++)
    for (const dummy of dummies) for (let count = 0; count <= 4; count++) invoke(dummy, [1, 2, 3, 4].slice(0, count));
}
