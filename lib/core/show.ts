/** Values in error messages. */

/** A value as short text. Never throws. */
export function show(value: unknown): string {
  if (typeof value === 'function') return `a function (${value.name || 'anonymous'})`;
  try {
    const text = JSON.stringify(value, (_, inner: unknown) =>
      typeof inner === 'number' && !Number.isFinite(inner) ? String(inner) : typeof inner === 'bigint' ? `${inner}n` : inner);
    return text === undefined ? String(value) : text.length > 120 ? `${text.slice(0, 117)}…` : text;
  } catch {
    return String(value);
  }
}
