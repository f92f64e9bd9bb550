/** What has no value before a DAG runs is refused where JavaScript would make a text or a number of it. */
import { HandoffError } from '../core/errors.ts';

/**
 * @param what the subject, with its verb, such as `The task f is`
 * @param instead what to do, as a command
 */
export function refuseText(what: string, instead: string): never {
  throw new HandoffError('INVALID_FUNCTION', `${what} used as a text or a number: ${instead}.`);
}

/** Refuses it for all objects of a class. A property of the prototype keeps it out of the types. */
export function neverText(prototype: object, what: string, instead: string): void {
  Object.defineProperty(prototype, Symbol.toPrimitive, { value: () => refuseText(what, instead) });
}
