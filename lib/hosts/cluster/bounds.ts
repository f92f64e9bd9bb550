/**
 * Limits for data from a peer. A proven peer may still run another implementation, or be broken. So each number, length
 * and list is limited to what makes sense, and no message makes this host do more work or hold more memory than its
 * length justifies.
 */
import { maxIdChars, maxResources } from '../../core/values.ts';
import { type PayloadData, partLengths, type Shape } from '../../workers/store/payload.ts';

export type Check = (value: unknown) => boolean;

// More than any machine has cores, any cluster hosts.
const maxThreads = 4096;
const maxHosts = 10_000;
const maxNodes = 10_000;
// Names of nodes, ids of DAGs and functions, names of modules. What a run grows by has the ids of what is around it, too.
const maxNameChars = 4 * maxIdChars;
// Hosts number all code that they have ever run.
const maxCode = 2 ** 24;
// More than any machine can hold, and small enough to add up.
const maxBytes = 2 ** 44;
const maxParts = 65_536;
// ms since the epoch: the year 100,000.
const maxTimeMs = 4e15;

export const is =
  (type: string): Check =>
  (value) =>
    typeof value === type;
export const any: Check = () => true;
export const boolean = is('boolean');
export const text = is('string');
export const number: Check = (value) => Number.isFinite(value);
export const finite: Check = (value) => Number.isFinite(value);
export const amount: Check = (value) => Number.isFinite(value) && (value as number) >= 0;
export const time: Check = (value) => Number.isFinite(value) && Math.abs(value as number) <= maxTimeMs;
export const name: Check = (value) => typeof value === 'string' && value.length <= maxNameChars;
export const whole: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
export const thread: Check = (value) => whole(value) && (value as number) < maxThreads;
export const code: Check = (value) => whole(value) && (value as number) < maxCode;
export const record: Check = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);
export const optional =
  (check: Check): Check =>
  (value) =>
    value === undefined || value === null || check(value);
/** By index, because `every` skips holes, and a list may have billions of them. */
export const listOf =
  (check: Check, max = Infinity): Check =>
  (value) => {
    if (!Array.isArray(value) || value.length > max) return false;
    for (let k = 0; k < value.length; k++) if (!(k in value) || !check(value[k])) return false;
    return true;
  };
export const list = listOf(any);
export const fields = (checks: Readonly<Record<string, Check>>): Check => {
  const known = Object.entries(checks);
  return (value) => record(value) && known.every(([field, check]) => check((value as Record<string, unknown>)[field]));
};
/** Resources with an amount each. */
export const amounts: Check = (value) => {
  if (!record(value)) return false;
  const entries = Object.entries(value as object);
  return entries.length <= maxResources && entries.every(([resource, each]) => name(resource) && amount(each));
};
export const addresses = listOf(name, maxHosts);

export const nodeCard: Check = (value) => {
  if (!record(value)) return false;
  const {
    name: called,
    capabilities,
    threads,
    speed,
    price,
    concurrency,
    threadsUp,
    draining,
  } = value as Record<string, unknown>;
  const hasThreads = whole(threads) && (threads as number) <= maxThreads;
  return (
    name(called) &&
    called !== '' &&
    amounts(capabilities) &&
    hasThreads &&
    amount(speed) &&
    optional(amount)(price) &&
    whole(concurrency) &&
    (concurrency as number) >= 1 &&
    optional(boolean)(draining) &&
    listOf((each) => whole(each) && (each as number) < (threads as number), threads as number)(threadsUp)
  );
};
export const nodeCards = listOf(nodeCard, maxNodes);

/** A payload or a reference to one. Its content is checked where it is read. */
export const payload: Check = fields({ kind: text });

/** Whether bytes can have this form: a limited number of parts of limited length. */
export function isShape(shape: unknown): shape is Shape {
  if (!record(shape)) return false;
  const { kind, view, length, parts } = shape as Record<string, unknown>;
  if (kind === 'encoded')
    return listOf(whole, maxParts)(parts) && (parts as unknown[]).length > 0 && total(parts as number[]) <= maxBytes;
  if (kind === 'view' && !(typeof view === 'string' && view.length < 32)) return false;
  if ((kind !== 'view' && kind !== 'buffer') || !whole(length)) return false;
  try {
    return total(partLengths(shape as Shape)) <= maxBytes;
  } catch {
    return false; // there is no such view class
  }
}

/** Whether it is a complete reference to a payload. */
export function isReference(value: unknown): value is Extract<PayloadData, { readonly kind: 'remote' }> {
  return fields({ host: name, key: name, of: isShape })(value);
}

function total(lengths: readonly number[]): number {
  return lengths.reduce((sum, length) => sum + length, 0);
}
