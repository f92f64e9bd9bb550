/**
 * Errors in events for other hosts, reduced to what explains the failure. Anything else an error carries, such as all
 * results of a run, stays on this host, because events may be many and have many readers.
 */
import { type ErrorHead, type ErrorWire, fromErrorWire, headOf, textOf } from '../../core/error-wire.ts';
import { isError } from '../../core/is-error.ts';

// Limits in characters: of a text, and of a field or a name.
const mostText = 10_000;
const mostOfField = 1000;
const mostFields = 20;
// Limits of the depth of causes, and of the number of errors in one event, since aggregate errors branch.
const mostDeep = 5;
const mostErrors = 8;

const noFields: ReadonlySet<string> = new Set([
  'errors',
  ...Object.getOwnPropertyNames(Error.prototype),
  ...Object.getOwnPropertyNames(Object.prototype),
  'stack',
  'cause',
]);

/** An error in transit: a small `ErrorWire` with only primitive fields. */
export type ToldError = ErrorWire;

/** Never throws. */
export function toToldError(thrown: unknown): ToldError {
  return toTold(thrown, 0, { left: mostErrors });
}

/** Estimated size in bytes. */
export function sizeOfError(told: ToldError | undefined): number {
  if (told === undefined) return 0;
  if (told.kind !== 'error')
    return 50 + (told.kind === 'value' && typeof told.value === 'string' ? told.value.length : 0);
  let size = 200 + told.message.length + (told.stack?.length ?? 0) + sizeOfError(told.cause);
  for (const field of Object.values(told.fields)) size += 50 + sizeOfError(field);
  for (const inner of told.errors ?? []) size += sizeOfError(inner);
  return size;
}

/**
 * Rebuilds an error sent by a peer.
 *
 * @param sent untrusted input; parts that do not belong to an error are dropped
 * @throws `TypeError` when it is not an error
 */
export function fromToldError(sent: unknown): unknown {
  return fromErrorWire(checked(sent, 0, { left: mostErrors }));
}

/** Cuts a text to the limit. */
export function cut(text: string, most = mostText): string {
  return text.length <= most ? text : `${text.slice(0, most)}… (${text.length} characters)`;
}

/** @param budget how many more errors may be included */
function toTold(thrown: unknown, depth: number, budget: { left: number }): ToldError {
  try {
    if (!isError(thrown))
      return { kind: 'value', value: isSimple(thrown) ? shortened(thrown, mostText) : cut(textOf(thrown)) };
    if (depth >= mostDeep || budget.left === 0)
      return { kind: 'value', value: cut(`[${thrown.name}: ${thrown.message}]`, mostOfField) };
    budget.left--;
    const { base, className, name, message, stack } = headOf(thrown);
    const { errors } = thrown as Partial<AggregateError>;
    return {
      kind: 'error',
      base,
      fields: fieldsOf(thrown),
      className: cut(className, mostOfField),
      name: cut(name, mostOfField),
      message: cut(message),
      stack: stack && cut(withShort(stack, message)),
      cause: 'cause' in thrown ? toTold(thrown.cause, depth + 1, budget) : undefined,
      errors: Array.isArray(errors)
        ? errors.slice(0, budget.left).map((inner) => toTold(inner, depth + 1, budget))
        : undefined,
    };
  } catch (unreadable) {
    // a proxy trap or a getter threw
    return { kind: 'value', value: cut(`[an error that cannot be read: ${textOf(unreadable)}]`) };
  }
}

/** A stack begins with the message. A long message would leave no room for the frames, so it is cut. */
function withShort(stack: string, message: string): string {
  const at = message.length > mostOfField ? stack.indexOf(message) : -1;
  return at < 0 ? stack : stack.slice(0, at) + cut(message, mostOfField) + stack.slice(at + message.length);
}

function fieldsOf(error: Error): Record<string, ToldError> {
  const fields: Record<string, ToldError> = {};
  let count = 0;
  for (const key of Object.keys(error)) {
    const value: unknown = isField(key) ? Object.getOwnPropertyDescriptor(error, key)?.value : undefined;
    if (value === undefined || !isSimple(value)) continue;
    fields[key] = { kind: 'value', value: shortened(value, mostOfField) };
    if (++count === mostFields) break;
  }
  return fields;
}

function isField(key: string): boolean {
  return key.length <= mostOfField && !noFields.has(key);
}

function isSimple(value: unknown): value is string | number | boolean | null | undefined {
  return value === null || ['string', 'number', 'boolean', 'undefined'].includes(typeof value);
}

function shortened(value: unknown, most: number): unknown {
  return typeof value === 'string' ? cut(value, most) : value;
}

function checked(told: unknown, depth: number, budget: { left: number }): ErrorWire {
  const { kind, value, fields, cause, errors, ...rest } = told as Record<string, unknown>;
  if (kind === 'value') return { kind, value: isSimple(value) ? shortened(value, 2 * mostText) : `[${typeof value}]` };
  const { base, className, name, message, stack } = rest as unknown as ErrorHead;
  if (kind !== 'error' || ![base, className, name, message, stack ?? ''].every((text) => typeof text === 'string'))
    throw new TypeError('A peer sent an error without its class, name, message or stack.');
  const isDeep = depth + 1 >= 2 * mostDeep || budget.left-- <= 0; // well above what toToldError sends
  return {
    kind,
    base,
    fields: checkedFields(fields, base),
    className: cut(className, 2 * mostOfField),
    name: cut(name, 2 * mostOfField),
    message: cut(message, 2 * mostText),
    stack: stack && cut(stack, 2 * mostText),
    cause: cause === undefined || isDeep ? undefined : checked(cause, depth + 1, budget),
    errors:
      Array.isArray(errors) && !isDeep
        ? errors.slice(0, mostErrors).map((inner) => checked(inner, depth + 1, budget))
        : undefined,
  };
}

function checkedFields(fields: unknown, base: ErrorHead['base']): Record<string, ErrorWire> {
  const own: Record<string, ErrorWire> = {};
  for (const [key, field] of Object.entries(fields ?? {}).slice(0, mostFields)) {
    const { kind, value } = (field ?? {}) as { readonly kind?: unknown; readonly value?: unknown };
    if (kind === 'value' && isField(key) && isSimple(value))
      own[key] = { kind: 'value', value: shortened(value, 2 * mostText) };
  }
  if (typeof (own['code'] as { readonly value?: unknown } | undefined)?.value !== 'string' && base === 'HandoffError')
    delete own['code'];
  return own;
}
