/** A batch of the scheduler as the wire has it: code by number, results put where arguments stand. */
import type { CallPart } from '../dag/plan.ts';
import { Flag } from '../dag/plan.ts';
import { keyOf } from '../dag/code.ts';
import type { OutgoingBatch } from '../node/lane-events.ts';
import { ArgTag, BatchFlag, ItemMode, type SpecialItem } from '../node/wire.ts';
import { type Batch, type Run, Status } from '../scheduler/state.ts';
import { Payload } from '../store/payload.ts';
import type { RunResults } from '../store/run-results.ts';
import type { Literals } from './literals.ts';
import type { ResolvedCode } from './modules.ts';

export interface MessageSource {
  readonly results: RunResults;
  readonly literals: Literals;
  readonly code: ResolvedCode;
  /** The name of a node by its index. */
  nodeName(index: number): string;
}

/** @param observed whether starts and spans are wanted */
export function toOutgoing(batch: Batch, source: MessageSource, observed: boolean): OutgoingBatch {
  const writer = new ItemWriter(batch, source);
  for (const i of batch.functions) writer.write(i);
  const flags = (batch.exclusive || observed ? BatchFlag.announce : 0) | (observed ? BatchFlag.spans : 0) | (writer.linked ? BatchFlag.linked : 0);
  return { id: batch.id, flags, dagId: batch.run.id, size: batch.functions.length, items: writer.items };
}

class ItemWriter {
  readonly items: unknown[] = [];
  linked = false;
  readonly #batch: Batch;
  readonly #run: Run;
  readonly #source: MessageSource;

  constructor(batch: Batch, source: MessageSource) {
    this.#batch = batch;
    this.#run = batch.run;
    this.#source = source;
  }

  write(i: number): void {
    const { plan } = this.#run;
    const { code } = this.#source;
    const { traits } = plan.entries[i]!;
    this.items.push(code.codes[plan.code[i]!]);
    const parts = (plan.flags[i]! & Flag.special) === 0 ? undefined : plan.calls.get(i)!;
    const withContext = code.usesContext || traits.retryIf !== undefined;
    if (parts === undefined && !withContext && this.#writePlain(i)) return;
    const args: unknown[] = [];
    if (parts === undefined) this.#tagResults(i, args);
    else for (const part of parts) this.#tagPart(i, part, args);
    if (withContext) {
      this.items.push(ItemMode.special, this.#special(i, args));
      return;
    }
    this.items.push((args.length / 2) * 4 + ItemMode.tagged);
    for (const arg of args) this.items.push(arg); // one by one: there may be more than a call can take
  }

  /** Values as they are, when all of them are plain. False: nothing was written. */
  #writePlain(i: number): boolean {
    const { plan, status } = this.#run;
    const { results } = this.#source;
    const from = plan.depOffset[i]!;
    const end = plan.depOffset[i + 1]!;
    for (let k = from; k < end; k++) {
      const dep = plan.deps[k]!;
      if (status[dep] !== Status.done || results.held(dep) instanceof Payload) return false;
    }
    const { extraArgs } = plan.entries[i]!;
    for (let k = 0; k < extraArgs.length; k++) if (this.#source.literals.payloadOf(extraArgs[k]) !== undefined) return false;
    this.items.push((end - from + extraArgs.length) * 4 + ItemMode.plain);
    for (let k = from; k < end; k++) this.items.push(results.held(plan.deps[k]!));
    for (let k = 0; k < extraArgs.length; k++) this.items.push(extraArgs[k]);
    return true;
  }

  #tagResults(i: number, into: unknown[]): void {
    const { plan } = this.#run;
    for (let k = plan.depOffset[i]!; k < plan.depOffset[i + 1]!; k++) this.#tagResult(plan.deps[k]!, into);
    for (const value of plan.entries[i]!.extraArgs) this.#tagLiteral(value, into);
  }

  #tagResult(dep: number, into: unknown[]): void {
    const { status, tally } = this.#run;
    if (status[dep] !== Status.done) {
      // Not there yet, and still the function was sent: an earlier one of this very batch gives it.
      this.linked = true;
      into.push(ArgTag.local, tally[dep]);
      return;
    }
    const held = this.#source.results.held(dep);
    if (held instanceof Payload) into.push(ArgTag.payload, held.data);
    else into.push(ArgTag.value, held);
  }

  #tagLiteral(value: unknown, into: unknown[]): void {
    const data = this.#source.literals.payloadOf(value);
    if (data === undefined) into.push(ArgTag.value, value);
    else into.push(ArgTag.payload, data);
  }

  #tagPart(i: number, part: CallPart, into: unknown[]): void {
    switch (part.kind) {
      case 'value': return this.#tagLiteral(part.value, into);
      case 'result': return this.#tagResult(part.of, into);
      case 'node': into.push(ArgTag.value, this.#nodeOf(part.of < 0 ? i : part.of)); return;
      case 'list': {
        const list: unknown[] = [];
        for (const each of part.parts) this.#tagPart(i, each, list);
        into.push(ArgTag.list, list);
        return;
      }
      case 'call': {
        const call: unknown[] = [this.#source.code.codes[part.code]];
        for (const each of part.parts) this.#tagPart(i, each, call);
        into.push(ArgTag.call, call);
        return;
      }
    }
  }

  /** Where a function runs, ran, or is bound to run. */
  #nodeOf(i: number): string {
    const { plan, node, groupNode } = this.#run;
    const group = plan.group === null ? -1 : plan.group[i]!;
    const index = node[i]! >= 0 ? node[i]! : group >= 0 ? groupNode[group]! : this.#batch.lane.node.index;
    return this.#source.nodeName(index);
  }

  #special(i: number, args: readonly unknown[]): SpecialItem {
    const { plan, attempts } = this.#run;
    const { id, traits } = plan.entries[i]!;
    const retryIf = traits.retryIf === undefined ? undefined : this.#source.code.predicates.get(keyOf(traits.retryIf))!;
    return { args, functionId: id, attempt: attempts[i]! + 1, ...(retryIf !== undefined && { retryIf }) };
  }
}
