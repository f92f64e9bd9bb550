/** A text that equal amounts share. */
export function amountsKey(amounts: Readonly<Record<string, number>> = {}): string {
  return Object.keys(amounts)
    .sort()
    .map((name) => `${name}=${amounts[name]}`)
    .join();
}
