/** A batch that could not be sent. Literals are checked beforehand only as far as their types allow. */
import { messageOf } from '../../core/message-of.ts';
import { canTravel } from '../../hosts/cluster/can-travel.ts';
import { toErrorWire } from '../../core/error-wire.ts';
import { HandoffError } from '../../core/errors.ts';
import type { CallPart, OtherResult } from '../../dag/compile/compiled-dag.ts';
import type { Exception } from '../../scheduling/scheduler/events.ts';
import type { Batch } from '../../scheduling/scheduler/state.ts';
import { encode } from '../../workers/store/encode.ts';
import { Payload, type PayloadData } from '../../workers/store/payload.ts';
import type { RunResults } from '../../workers/store/run-results.ts';
import type { OtherResults } from '../results/other-results.ts';

interface Given {
  readonly results: RunResults;
  readonly others: OtherResults;
}

/** Decides the outcome of each function of such a batch: those with a bad argument fail, the others are skipped. */
export function blame(batch: Batch, { results, others }: Given, cause: unknown): Exception[] {
  const { plan } = batch.run;
  const elsewhere = batch.thread.node.host !== 0;
  const canBeSent = elsewhere ? canTravel : canBeCloned;
  const canBeRead = (i: number): boolean =>
    literalsOf(plan.entries[i]!.extraArgs, plan.calls.get(i)).every((value) =>
      canBeEncoded(value, elsewhere, canBeSent),
    ) &&
    othersIn(plan.calls.get(i) ?? []).every((other) => {
      const { results: theirs, index } = others.get(other)!;
      return canResult(theirs.held(index), elsewhere, canBeSent);
    }) &&
    plan.deps
      .subarray(plan.depOffset[i]!, plan.depOffset[i + 1]!)
      .every((dep) => !results.exists(dep) || canResult(results.held(dep), elsewhere, canBeSent));
  const guilty = batch.functions.filter((i) => !canBeRead(i));
  return batch.functions.map((i, index): Exception => {
    if (guilty.length > 0 && !guilty.includes(i)) return { index, kind: 'skipped' };
    const text = `An argument of function ${JSON.stringify(plan.entries[i]!.id)} cannot be sent to ${elsewhere ? 'another host' : 'a worker thread'}: ${messageOf(cause)}`;
    return {
      index,
      kind: 'failed',
      error: toErrorWire(new HandoffError('NOT_SERIALIZABLE', text, { cause })),
      retryable: false,
    };
  });
}

function literalsOf(extraArgs: readonly unknown[], parts: readonly CallPart[] | undefined): unknown[] {
  return parts === undefined
    ? [...extraArgs]
    : parts.flatMap((part) =>
        part.kind === 'value'
          ? [part.value]
          : part.kind === 'list' || part.kind === 'call'
            ? literalsOf([], part.parts)
            : [],
      );
}

function othersIn(parts: readonly CallPart[]): OtherResult[] {
  return parts.flatMap((part) => {
    if (part.kind === 'resultOf') return [part];
    return part.kind === 'list' || part.kind === 'call' ? othersIn(part.parts) : [];
  });
}

function canBeEncoded(value: unknown, elsewhere: boolean, canBeSent: (value: unknown) => boolean): boolean {
  try {
    const data = encode(value);
    return data === undefined ? canBeSent(value) : canPayload(data, elsewhere);
  } catch {
    return false;
  }
}

function canResult(held: unknown, elsewhere: boolean, canBeSent: (value: unknown) => boolean): boolean {
  return held instanceof Payload ? canPayload(held.data, elsewhere) : canBeSent(held);
}

/** Live shared memory works between threads, but not between hosts. */
function canPayload(data: PayloadData, elsewhere: boolean): boolean {
  return !(elsewhere && data.kind === 'encoded' && data.live === true);
}

function canBeCloned(value: unknown): boolean {
  try {
    structuredClone(value);
    return true;
  } catch {
    return false;
  }
}
