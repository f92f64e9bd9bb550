/** What a value holds that decides how it travels. */
import { isError } from '../../core/error-wire.ts';
import { eachItem } from '../../core/items.ts';
import { shareFrom } from './payload.ts';

export interface Inspection {
  /** It is large: worth being encoded once rather than cloned at every hop. */
  readonly large: boolean;
  /** It holds an Error, which structured clone would change, or a SharedArrayBuffer, which takes care to encode. */
  readonly errors: boolean;
  readonly sharedBuffers: boolean;
  /** It holds a Buffer, which structured clone would make a Uint8Array. */
  readonly buffers: boolean;
}

/**
 * Looks through a value, each object once. The size is an estimate: 8 bytes an item, a character a byte.
 *
 * Everything is looked at, however large: an Error deep inside must not lose its class. That is a small part of what serializing
 * it costs anyway.
 */
export function inspect(value: object): Inspection {
  let size = 0;
  let errors = false;
  let sharedBuffers = false;
  let buffers = false;
  const seen = new Set<object>();
  const stack: object[] = [value];
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    if (ArrayBuffer.isView(next)) {
      size += next.byteLength;
      if (Buffer.isBuffer(next)) buffers = true;
      continue;
    }
    if (next instanceof ArrayBuffer) {
      size += next.byteLength;
      continue;
    }
    if (next instanceof SharedArrayBuffer) {
      sharedBuffers = true;
      continue;
    }
    if (seen.has(next)) continue;
    seen.add(next);
    if (isError(next)) {
      errors = true;
    } else if (Array.isArray(next)) {
      eachItem(next, look);
    } else if (next instanceof Map) {
      for (const [key, item] of next) {
        look(key);
        look(item);
      }
    } else if (next instanceof Set) {
      for (const item of next) look(item);
    } else {
      for (const key of Object.keys(next)) {
        size += key.length;
        look((next as Record<string, unknown>)[key]);
      }
    }
  }
  return { large: size >= shareFrom, errors, sharedBuffers, buffers };

  function look(item: unknown): void {
    size += 8;
    if (typeof item === 'string') size += item.length;
    else if (typeof item === 'object' && item !== null) stack.push(item);
  }
}
