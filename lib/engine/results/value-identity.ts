/**
 * A text for each value, equal for equal values, in any process. Short values are their own text, others a hash.
 *
 * V8's serialization would not do: it writes the number 1 in two ways, depending on how it came about.
 */
import { createHash, hash } from 'node:crypto';
import { serialize } from 'node:v8';
import type { Payload } from '../../workers/store/payload.ts';
import { toParts } from './stored-values.ts';

/** Longer texts are hashed. */
const maxTextChars = 48;

/** Larger views are hashed by themselves. */
const maxViewBytes = 4096;

/** Deeper values are written by V8, which also knows cycles. */
const maxDepth = 100;

/** Bytes that are hashed without a pause, so that the event loop goes on. */
const sliceBytes = 2 ** 20;

/** @throws what V8 throws for a value that cannot be serialized */
export function identityOf(value: unknown): string {
  const text = textOf(value, 0) ?? `x${hash('sha256', serialize(value))}`;
  return text.length <= maxTextChars ? text : `#${hash('sha256', text, 'base64url')}`;
}

/** A payload with its identity, and the bytes that were hashed for it. */
export interface IdentifiedPayload {
  readonly identity: string;
  /** The SHA-256 of all parts together. */
  readonly hash: string;
  readonly parts: readonly Uint8Array[];
}

/** @returns undefined for what cannot be stored */
export async function identifyPayload(payload: Payload): Promise<IdentifiedPayload | undefined> {
  const parts = toParts(payload);
  if (parts === undefined) return undefined;
  const sha = createHash('sha256');
  for (const part of parts) {
    for (let at = 0; at < part.length; at += sliceBytes) {
      if (at > 0) await new Promise(setImmediate);
      sha.update(part.subarray(at, at + sliceBytes));
    }
  }
  const digest = sha.digest('hex');
  return { identity: `@${digest}`, hash: digest, parts };
}

/** Undefined for a value with something unusual in it. Each text shows its own end. */
function textOf(value: unknown, depth: number): string | undefined {
  switch (typeof value) {
    case 'undefined':
      return 'u';
    case 'boolean':
      return value ? 't' : 'f';
    case 'number':
      return Object.is(value, -0) ? 'd-0;' : `d${value};`;
    case 'bigint':
      return `i${value};`;
    case 'string':
      // Text that is not well-formed would lose the difference when it is hashed as UTF-8.
      return value.isWellFormed() ? `s${value.length}:${value}` : `j${JSON.stringify(value)}`;
    case 'object':
      return value === null ? 'n' : depth >= maxDepth ? undefined : textOfObject(value, depth + 1);
    default:
      return undefined;
  }
}

function textOfObject(value: object, depth: number): string | undefined {
  if (Array.isArray(value)) return textOfList(value, depth);
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === Object.prototype || prototype === null) return textOfAll('o', Object.entries(value).flat(), depth);
  if (ArrayBuffer.isView(value)) return textOfView(value);
  if (prototype === Date.prototype) return `D${(value as Date).getTime()};`;
  if (prototype === Map.prototype) return textOfAll('m', [...(value as Map<unknown, unknown>)].flat(1), depth);
  if (prototype === Set.prototype) return textOfAll('e', [...(value as Set<unknown>)], depth);
  return undefined;
}

function textOfList(list: readonly unknown[], depth: number): string | undefined {
  // Holes and named properties are rare.
  return Object.keys(list).length === list.length ? textOfAll('a', list, depth) : undefined;
}

function textOfAll(tag: string, values: readonly unknown[], depth: number): string | undefined {
  let text = `${tag}${values.length}[`;
  for (const each of values) {
    const own = textOf(each, depth);
    if (own === undefined) return undefined;
    text += own;
  }
  return text;
}

function textOfView({ buffer, byteOffset, byteLength, constructor }: ArrayBufferView): string {
  const bytes = new Uint8Array(buffer, byteOffset, byteLength);
  const content = byteLength > maxViewBytes ? `#${hash('sha256', bytes)}` : Buffer.from(bytes).toString('latin1');
  return `b${constructor.name}${byteLength}:${content}`;
}
