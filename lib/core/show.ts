/** Values in error messages. */
import { cut } from './cut.ts';
import { inspect } from 'node:util';

const maxChars = 120;
const maxItems = 50;
const bounds = { depth: 1, maxArrayLength: maxItems, maxStringLength: maxChars, breakLength: Infinity };

/** A value as short text. Never throws, and reads a bounded part of a large value. */
export function show(value: unknown): string {
  try {
    return cut(textOf(value), maxChars - 1); // and an ellipsis
  } catch {
    return 'a value that cannot be shown';
  }
}

function textOf(value: unknown): string {
  if (typeof value === 'function') return `a function (${value.name || 'anonymous'})`;
  if (typeof value === 'number') return String(value);
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'object' && value !== null && (inspect.custom in value || ArrayBuffer.isView(value)))
    return inspect(value, bounds);
  try {
    return JSON.stringify(value, shortened) ?? String(value);
  } catch {
    return inspect(value, bounds);
  }
}

/** Replaces values that JSON cannot hold by text, and shortens long lists and strings before they are written. */
function shortened(_key: string, value: unknown): unknown {
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'string') return value.length > maxChars ? value.slice(0, maxChars) : value;
  return Array.isArray(value) && value.length > maxItems ? value.slice(0, maxItems) : value;
}
