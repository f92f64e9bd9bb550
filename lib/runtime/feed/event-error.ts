/**
 * Errors as events tell them to other hosts: what people need to see what went wrong, and no more. What an error holds besides, such as all
 * results of a run, stays where it is: events are many, and their readers may be many, too.
 */
import { type ErrorHead, type ErrorWire, fromErrorWire, headOf, textOf } from '../../core/error-wire.ts';
import { isError } from '../../core/is-error.ts';

// Of each text so many characters are told; of a field, and of a name, so many.
const mostText = 10_000;
const mostOfField = 1000;
const mostFields = 20;
// So many errors beneath each other, and so many in all of one event, as errors may have several beneath them.
const mostDeep = 5;
const mostErrors = 8;

const noFields: ReadonlySet<string> = new Set(['errors', ...Object.getOwnPropertyNames(Error.prototype), ...Object.getOwnPropertyNames(Object.prototype), 'stack', 'cause']);

/** An error on its way: a part of an `ErrorWire` that is small, and holds nothing but texts, numbers and the like. */
export type ToldError = ErrorWire;

/** Never throws. */
export function toToldError(thrown: unknown): ToldError {
  return toTold(thrown, 0, { left: mostErrors });
}

/** Bytes that it takes, about. */
export function sizeOfError(told: ToldError | undefined): number {
  if (told === undefined) return 0;
  if (told.kind !== 'error') return 50 + (told.kind === 'value' && typeof told.value === 'string' ? told.value.length : 0);
  let size = 200 + told.message.length + (told.stack?.length ?? 0) + sizeOfError(told.cause);
  for (const field of Object.values(told.fields)) size += 50 + sizeOfError(field);
  for (const inner of told.errors ?? []) size += sizeOfError(inner);
  return size;
}

/**
 * The error that a peer told.
 *
 * @param told whatever came; what of it is no part of an error is left out
 * @throws `TypeError` when it is no error
 */
export function fromToldError(told: unknown): unknown {
  return fromErrorWire(checked(told, 0, { left: mostErrors }));
}

/** As much of a text as is told. */
export function cut(text: string, most = mostText): string {
  return text.length <= most ? text : `${text.slice(0, most)}… (${text.length} characters)`;
}

/** @param budget of errors in all */
function toTold(thrown: unknown, depth: number, budget: { left: number }): ToldError {
  try {
    if (!isError(thrown)) return { kind: 'value', value: isSimple(thrown) ? shortened(thrown, mostText) : cut(textOf(thrown)) };
    if (depth >= mostDeep || budget.left === 0) return { kind: 'value', value: cut(`[${thrown.name}: ${thrown.message}]`, mostOfField) };
    budget.left--;
    const { base, className, name, message, stack } = headOf(thrown);
    const { errors } = thrown as Partial<AggregateError>;
    return {
      kind: 'error', base, fields: fieldsOf(thrown),
      className: cut(className, mostOfField), name: cut(name, mostOfField), message: cut(message), stack: stack && cut(withShort(stack, message)),
      cause: 'cause' in thrown ? toTold(thrown.cause, depth + 1, budget) : undefined,
      errors: Array.isArray(errors) ? errors.slice(0, budget.left).map((inner) => toTold(inner, depth + 1, budget)) : undefined,
    };
  } catch (unreadable) { // a proxy's trap, or a getter of what every error has
    return { kind: 'value', value: cut(`[an error that cannot be read: ${textOf(unreadable)}]`) };
  }
}

/** A stack begins with the message: where that is long, there would be nothing else of it. */
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
  if (kind !== 'error' || ![base, className, name, message, stack ?? ''].every((text) => typeof text === 'string')) throw new TypeError('This is no error.');
  const isDeep = depth + 1 >= 2 * mostDeep || budget.left-- <= 0; // no host of ours tells as much
  const own: Record<string, ErrorWire> = {};
  for (const [key, field] of Object.entries(fields ?? {}).slice(0, mostFields)) {
    const { kind: kindOfField, value: valueOfField } = (field ?? {}) as { readonly kind?: unknown; readonly value?: unknown };
    if (kindOfField === 'value' && isField(key) && isSimple(valueOfField)) own[key] = { kind: 'value', value: shortened(valueOfField, 2 * mostText) };
  }
  if (typeof (own['code'] as { readonly value?: unknown } | undefined)?.value !== 'string' && base === 'HandoffError') delete own['code'];
  return {
    kind, base, fields: own,
    className: cut(className, 2 * mostOfField), name: cut(name, 2 * mostOfField), message: cut(message, 2 * mostText), stack: stack && cut(stack, 2 * mostText),
    cause: cause === undefined || isDeep ? undefined : checked(cause, depth + 1, budget),
    errors: Array.isArray(errors) && !isDeep ? errors.slice(0, mostErrors).map((inner) => checked(inner, depth + 1, budget)) : undefined,
  };
}
