/** Whether values can be sent to another host. */
import { serialize } from 'node:v8';

/** Whether a value can be part of a message. */
export function canTravel(value: unknown): boolean {
  try {
    serialize(value);
    return true;
  } catch {
    return false;
  }
}
