/**
 * What may come from a peer. A peer that has proved itself may still be of another make, or broken: each number, length
 * and list is bounded by what it can mean, so that no message makes this host work or hold more than the message is
 * long.
 */
import { type PayloadData, partLengths, type Shape } from '../../workers/store/payload.ts';

export type Check = (value: unknown) => boolean;

// No machine has so many cores, no cluster so many members, no node so many resources.
const mostThreads = 4096;
const mostMembers = 10_000;
const mostResources = 1000;
const mostNodes = 10_000;
// Of names of nodes, ids of DAGs and functions, names of modules.
const mostNameLength = 16_384;
// Hosts number their code by what they have ever run.
const mostCode = 2 ** 24;
// More than any machine could hold, and few enough to be counted.
const mostBytes = 2 ** 44;
const mostParts = 65_536;
// ms since the epoch, which take us to the year 100,000.
const lastTime = 4e15;

export const is =
  (type: string): Check =>
  (value) =>
    typeof value === type;
export const any: Check = () => true;
export const boolean = is('boolean');
export const text = is('string');
export const number: Check = (value) => Number.isFinite(value);
export const amount: Check = (value) => Number.isFinite(value) && (value as number) >= 0;
export const time: Check = (value) => Number.isFinite(value) && Math.abs(value as number) <= lastTime;
export const name: Check = (value) => typeof value === 'string' && value.length <= mostNameLength;
export const whole: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
export const thread: Check = (value) => whole(value) && (value as number) < mostThreads;
export const code: Check = (value) => whole(value) && (value as number) < mostCode;
export const record: Check = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);
export const optional =
  (check: Check): Check =>
  (value) =>
    value === undefined || value === null || check(value);
/** By index, as `every` passes over holes, of which there may be billions. */
export const listOf =
  (check: Check, most = Infinity): Check =>
  (value) => {
    if (!Array.isArray(value) || value.length > most) return false;
    for (let k = 0; k < value.length; k++) if (!(k in value) || !check(value[k])) return false;
    return true;
  };
export const list = listOf(any);
export const fields = (checks: Readonly<Record<string, Check>>): Check => {
  const known = Object.entries(checks);
  return (value) => record(value) && known.every(([field, check]) => check((value as Record<string, unknown>)[field]));
};
/** Resources and how much of each. */
export const amounts: Check = (value) => {
  if (!record(value)) return false;
  const entries = Object.entries(value as object);
  return entries.length <= mostResources && entries.every(([resource, each]) => name(resource) && amount(each));
};
export const addresses = listOf(name, mostMembers);

export const nodeCard: Check = (value) => {
  if (!record(value)) return false;
  const { name: called, capabilities, threads, speed, price, threadsUp, draining } = value as Record<string, unknown>;
  const hasThreads = whole(threads) && (threads as number) <= mostThreads;
  return (
    name(called) &&
    called !== '' &&
    amounts(capabilities) &&
    hasThreads &&
    amount(speed) &&
    optional(amount)(price) &&
    optional(boolean)(draining) &&
    listOf((each) => whole(each) && (each as number) < (threads as number), threads as number)(threadsUp)
  );
};
export const nodeCards = listOf(nodeCard, mostNodes);

/** A payload, or a reference to one. What is in it is checked where it is read. */
export const payload: Check = fields({ kind: text });

/** Whether some bytes can be of a shape: few enough parts, of lengths that can be. */
export function isShape(shape: unknown): shape is Shape {
  if (!record(shape)) return false;
  const { kind, view, length, parts } = shape as Record<string, unknown>;
  if (kind === 'encoded')
    return listOf(whole, mostParts)(parts) && (parts as unknown[]).length > 0 && total(parts as number[]) <= mostBytes;
  if (kind === 'view' && !(typeof view === 'string' && view.length < 32)) return false;
  if ((kind !== 'view' && kind !== 'buffer') || !whole(length)) return false;
  try {
    return total(partLengths(shape as Shape)) <= mostBytes;
  } catch {
    return false; // there are no such views
  }
}

/** Whether it says of what a reference stands for. */
export function isReference(value: unknown): value is Extract<PayloadData, { readonly kind: 'remote' }> {
  return fields({ host: name, key: name, of: isShape })(value);
}

function total(lengths: readonly number[]): number {
  return lengths.reduce((sum, length) => sum + length, 0);
}
