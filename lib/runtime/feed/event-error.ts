/**
 * Errors in events for other hosts, reduced to what explains the failure. Anything else an error carries, such as all
 * results of a run, stays on this host, because events may be many and have many readers.
 */
import { type ErrorHead, type ErrorWire, fromErrorWire, headOf, textOf } from '../../core/error-wire.ts';
import { isError } from '../../core/is-error.ts';

// Limits in characters: of a text, and of a field or a name.
const maxTextChars = 10_000;
const maxFieldChars = 1000;
const maxFields = 20;
// Limits of the depth of causes, and of the number of errors in one event, since aggregate errors branch.
const maxDepth = 5;
const maxErrors = 8;

const noFields: ReadonlySet<string> = new Set([
  'errors',
  ...Object.getOwnPropertyNames(Error.prototype),
  ...Object.getOwnPropertyNames(Object.prototype),
  'stack',
  'cause',
]);

/** An error in transit: a small `ErrorWire` with only primitive fields. */
export type EventError = ErrorWire;

/** Never throws. */
export function toEventError(thrown: unknown): EventError {
  return convert(thrown, 0, { left: maxErrors });
}

/** Estimated size in bytes. */
export function sizeOfError(received: EventError | undefined): number {
  if (received === undefined) return 0;
  if (received.kind !== 'error')
    return 50 + (received.kind === 'value' && typeof received.value === 'string' ? received.value.length : 0);
  let size = 200 + received.message.length + (received.stack?.length ?? 0) + sizeOfError(received.cause);
  for (const field of Object.values(received.fields)) size += 50 + sizeOfError(field);
  for (const inner of received.errors ?? []) size += sizeOfError(inner);
  return size;
}

/**
 * Rebuilds an error sent by a peer.
 *
 * @param sent untrusted input; parts that do not belong to an error are dropped
 * @throws `TypeError` when it is not an error
 */
export function fromEventError(sent: unknown): unknown {
  return fromErrorWire(checked(sent, 0, { left: maxErrors }));
}

/** Cuts a text to the limit. */
export function cut(text: string, maxChars = maxTextChars): string {
  return text.length <= maxChars ? text : `${text.slice(0, maxChars)}… (${text.length} characters)`;
}

/** @param budget how many more errors may be included */
function convert(thrown: unknown, depth: number, budget: { left: number }): EventError {
  try {
    if (!isError(thrown))
      return { kind: 'value', value: isSimple(thrown) ? shortened(thrown, maxTextChars) : cut(textOf(thrown)) };
    if (depth >= maxDepth || budget.left === 0)
      return { kind: 'value', value: cut(`[${thrown.name}: ${thrown.message}]`, maxFieldChars) };
    budget.left--;
    const { base, className, name, message, stack } = headOf(thrown);
    const { errors } = thrown as Partial<AggregateError>;
    return {
      kind: 'error',
      base,
      fields: fieldsOf(thrown),
      className: cut(className, maxFieldChars),
      name: cut(name, maxFieldChars),
      message: cut(message),
      stack: stack && cut(withShort(stack, message)),
      cause: 'cause' in thrown ? convert(thrown.cause, depth + 1, budget) : undefined,
      errors: Array.isArray(errors)
        ? errors.slice(0, budget.left).map((inner) => convert(inner, depth + 1, budget))
        : undefined,
    };
  } catch (unreadable) {
    // a proxy trap or a getter threw
    return { kind: 'value', value: cut(`[an error that cannot be read: ${textOf(unreadable)}]`) };
  }
}

/** A stack begins with the message. A long message would leave no room for the frames, so it is cut. */
function withShort(stack: string, message: string): string {
  const at = message.length > maxFieldChars ? stack.indexOf(message) : -1;
  return at < 0 ? stack : stack.slice(0, at) + cut(message, maxFieldChars) + stack.slice(at + message.length);
}

function fieldsOf(error: Error): Record<string, EventError> {
  const fields: Record<string, EventError> = {};
  let count = 0;
  for (const key of Object.keys(error)) {
    const value: unknown = isField(key) ? Object.getOwnPropertyDescriptor(error, key)?.value : undefined;
    if (value === undefined || !isSimple(value)) continue;
    fields[key] = { kind: 'value', value: shortened(value, maxFieldChars) };
    if (++count === maxFields) break;
  }
  return fields;
}

function isField(key: string): boolean {
  return key.length <= maxFieldChars && !noFields.has(key);
}

function isSimple(value: unknown): value is string | number | boolean | null | undefined {
  return value === null || ['string', 'number', 'boolean', 'undefined'].includes(typeof value);
}

function shortened(value: unknown, most: number): unknown {
  return typeof value === 'string' ? cut(value, most) : value;
}

function checked(received: unknown, depth: number, budget: { left: number }): ErrorWire {
  const { kind, value, fields, cause, errors, ...rest } = received as Record<string, unknown>;
  if (kind === 'value')
    return { kind, value: isSimple(value) ? shortened(value, 2 * maxTextChars) : `[${typeof value}]` };
  const { base, className, name, message, stack } = rest as unknown as ErrorHead;
  if (kind !== 'error' || ![base, className, name, message, stack ?? ''].every((text) => typeof text === 'string'))
    throw new TypeError('A peer sent an error without its class, name, message or stack.');
  const isDeep = depth + 1 >= 2 * maxDepth || budget.left-- <= 0; // well above what toToldError sends
  return {
    kind,
    base,
    fields: checkedFields(fields, base),
    className: cut(className, 2 * maxFieldChars),
    name: cut(name, 2 * maxFieldChars),
    message: cut(message, 2 * maxTextChars),
    stack: stack && cut(stack, 2 * maxTextChars),
    cause: cause === undefined || isDeep ? undefined : checked(cause, depth + 1, budget),
    errors:
      Array.isArray(errors) && !isDeep
        ? errors.slice(0, maxErrors).map((inner) => checked(inner, depth + 1, budget))
        : undefined,
  };
}

function checkedFields(fields: unknown, base: ErrorHead['base']): Record<string, ErrorWire> {
  const own: Record<string, ErrorWire> = {};
  for (const [key, field] of Object.entries(fields ?? {}).slice(0, maxFields)) {
    const { kind, value } = (field ?? {}) as { readonly kind?: unknown; readonly value?: unknown };
    if (kind === 'value' && isField(key) && isSimple(value))
      own[key] = { kind: 'value', value: shortened(value, 2 * maxTextChars) };
  }
  if (typeof (own['code'] as { readonly value?: unknown } | undefined)?.value !== 'string' && base === 'HandoffError')
    delete own['code'];
  return own;
}
