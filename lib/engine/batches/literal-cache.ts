/** Literals of a DAG in transit: large ones are put into shared memory once per run, not copied for every function. */
import { encode } from '../../workers/store/encode.ts';
import type { PayloadData } from '../../workers/store/payload.ts';

export class Literals {
  readonly #payloads = new Map<object, PayloadData>();

  /** The payload of a value; undefined when structured clone is sufficient. */
  payloadOf(value: unknown): PayloadData | undefined {
    if (typeof value !== 'object' || value === null) return typeof value === 'string' ? encode(value) : undefined;
    const known = this.#payloads.get(value);
    if (known !== undefined) return known;
    const made = encode(value);
    if (made !== undefined) this.#payloads.set(value, made);
    return made;
  }
}
