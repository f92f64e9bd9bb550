export function noop() {
  return 1;
}

/** A function that keeps a core busy for some steps, after others. */
export function computeAfter(...values) {
  let x = 1;
  for (let step = values.at(-1); step > 0; step--) x = x * 1.000000001 + 1e-9;
  return x;
}
