export function noop(): number {
  return 1;
}
