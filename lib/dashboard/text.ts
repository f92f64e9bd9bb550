/**
 * Thrown and logged values as short text and plain data. They may be anything, of any size, and must not crash the
 * reader.
 */
import { inspect } from 'node:util';
import { cut } from '../core/cut.ts';
import { userStackOf } from '../core/user-stack.ts';
import type { ErrorView } from './protocol.ts';

const maxChars = { text: 1000, stack: 20_000 } as const;

/** A value as one line of text. */
export function textOf(value: unknown): string {
  return cut(typeof value === 'string' ? value : shown(value), maxChars.text);
}

/** Name and message of an error as one line of text. */
export function errorLine(error: unknown): string {
  const { name, message } = toErrorView(error, 0, maxChars.text);
  return textOf(error instanceof Error ? `${name}: ${message}` : message);
}

/**
 * @param depth how many causes to include
 * @param length of message and stack in characters; each cause gets half of it
 */
export function toErrorView(error: unknown, depth = 5, length: number = maxChars.stack): ErrorView {
  if (!(error instanceof Error)) return { name: 'a value that was thrown', message: textOf(error) };
  try {
    const { name, message, stack, cause, code } = error as Error & { readonly code?: unknown };
    return {
      name: textOf(name),
      message: cut(String(message), length),
      ...(typeof code === 'string' && { code: textOf(code) }),
      ...(typeof stack === 'string' && { stack: cut(userStackOf(stack), length) }),
      ...(cause !== undefined && depth > 0 && { cause: toErrorView(cause, depth - 1, length / 2) }),
    };
  } catch {
    // a getter of its own throws
    return { name: 'Error', message: 'an error that cannot be read' };
  }
}

function shown(value: unknown): string {
  try {
    return inspect(value, { depth: 2, breakLength: Infinity, maxArrayLength: 20, maxStringLength: maxChars.text });
  } catch {
    // its own inspect method throws
    return 'a value that cannot be shown';
  }
}
