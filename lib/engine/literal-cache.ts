/** The values written into a DAG, as they travel: large ones are put into shared memory once a run, not copied for every function. */
import { encode } from '../workers/store/encode.ts';
import type { PayloadData } from '../workers/store/payload.ts';

export class Literals {
  readonly #payloads = new Map<object, PayloadData>();

  /** The payload of a value that travels as one; undefined for one that structured clone will do for. */
  payloadOf(value: unknown): PayloadData | undefined {
    if (typeof value !== 'object' || value === null) return typeof value === 'string' ? encode(value) : undefined;
    const known = this.#payloads.get(value);
    if (known !== undefined) return known;
    const made = encode(value);
    if (made !== undefined) this.#payloads.set(value, made);
    return made;
  }
}
