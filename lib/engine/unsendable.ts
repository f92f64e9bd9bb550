/** A literal that only showed itself as unsendable when it was sent: they are checked beforehand, but only as far as the language can see. */
import { canTravel } from '../hosts/cluster/wire.ts';
import { toErrorWire } from '../core/error-wire.ts';
import { HandoffError } from '../core/errors.ts';
import type { Exception } from '../scheduling/scheduler/events.ts';
import type { Batch } from '../scheduling/scheduler/state.ts';
import { Payload } from '../workers/store/payload.ts';
import type { RunResults } from '../workers/store/run-results.ts';

/** What became of the functions of a batch that could not be sent: those that are to blame failed, the others were not begun. */
export function blame(batch: Batch, results: RunResults, cause: unknown): Exception[] {
  const { plan } = batch.run;
  const elsewhere = batch.lane.node.host !== 0;
  const canBeSent = elsewhere ? canTravel : canBeCloned;
  const takesShared = (i: number): boolean => elsewhere && plan.deps.subarray(plan.depOffset[i]!, plan.depOffset[i + 1]!).some((dep) => results.exists(dep) && !resultCanTravel(results.held(dep)));
  const guilty = batch.functions.filter((i) => !canBeSent([plan.entries[i]!.extraArgs, plan.calls.get(i)]) || takesShared(i));
  return batch.functions.map((i, index): Exception => {
    if (guilty.length > 0 && !guilty.includes(i)) return { index, kind: 'skipped' };
    const text = `An argument of function ${JSON.stringify(plan.entries[i]!.id)} cannot be sent to ${elsewhere ? 'another host' : 'a worker thread'}: ${cause instanceof Error ? cause.message : String(cause)}`;
    return { index, kind: 'failed', error: toErrorWire(new HandoffError('NOT_SERIALIZABLE', text, { cause })), retryable: false };
  });
}

function resultCanTravel(held: unknown): boolean {
  return held instanceof Payload ? !(held.data.kind === 'encoded' && held.data.live === true) : canTravel(held);
}

function canBeCloned(value: unknown): boolean {
  try {
    structuredClone(value);
    return true;
  } catch {
    return false;
  }
}
