/** What a value of unknown type is. */

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The maximum length of ids and names, in characters. Other hosts refuse messages with much longer ones. */
export const maxIdChars = 4096;

export const idExpected = `a string of 1 to ${maxIdChars} characters`;

export function isId(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= maxIdChars;
}

/** The maximum number of resources of a node or a function. */
export const maxResources = 1000;

/** Amounts by resource. */
export function isAmounts(value: unknown): value is Readonly<Record<string, number>> {
  if (!isRecord(value)) return false;
  const entries = Object.entries(value);
  return entries.length <= maxResources && entries.every(([name, each]) => name.length <= maxIdChars && isAmount(each));
}

export function isAmount(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}
