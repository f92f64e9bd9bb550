/** A literal that only showed itself as unsendable when it was sent: they are checked beforehand, but only as far as the language can see. */
import { toErrorWire } from '../error-wire.ts';
import { HandoffError } from '../errors.ts';
import type { Exception } from '../scheduler/events.ts';
import type { Batch } from '../scheduler/state.ts';

/** What became of the functions of a batch that could not be sent: those that are to blame failed, the others were not begun. */
export function blame(batch: Batch, cause: unknown, canBeSent: (value: unknown) => boolean): Exception[] {
  const { plan } = batch.run;
  const guilty = batch.functions.filter((i) => !canBeSent([plan.entries[i]!.extraArgs, plan.calls.get(i)]));
  return batch.functions.map((i, index): Exception => {
    if (guilty.length > 0 && !guilty.includes(i)) return { index, kind: 'skipped' };
    const text = `An argument of function ${JSON.stringify(plan.entries[i]!.id)} cannot be sent to a worker thread: ${cause instanceof Error ? cause.message : String(cause)}`;
    return { index, kind: 'failed', error: toErrorWire(new HandoffError('NOT_SERIALIZABLE', text, { cause })), retryable: false };
  });
}

export function canBeCloned(value: unknown): boolean {
  try {
    structuredClone(value);
    return true;
  } catch {
    return false;
  }
}
