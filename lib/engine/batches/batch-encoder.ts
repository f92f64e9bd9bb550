/** Encodes a batch for the wire: code as numbers, results in the place of arguments. */
import type { CallPart, OtherResult } from '../../dag/compile/compiled-dag.ts';
import { Flag } from '../../dag/compile/compiled-dag.ts';
import type { Traits } from '../../dag/compile/entry.ts';
import { keyOf } from '../../dag/code.ts';
import type { OutgoingBatch } from '../../workers/node/thread-messages.ts';
import { Head, headBits, isShort, Word, WordWriter } from '../../workers/node/program.ts';
import { ArgTag, BatchFlag } from '../../workers/node/wire.ts';
import type { AttemptTracer } from '../../events/attempt-tracer.ts';
import { expansionOf, spanOf } from '../../scheduling/scheduler/growth/growth.ts';
import type { Span } from '../../scheduling/scheduler/growth/span.ts';
import { fixedNode } from '../../scheduling/scheduler/ready.ts';
import { type Batch, type Thread, type Run, Status } from '../../scheduling/scheduler/state.ts';
import { Payload, type PayloadData } from '../../workers/store/payload.ts';
import type { ResultList } from '../../workers/store/composite.ts';
import type { RunResults } from '../../workers/store/run-results.ts';
import type { Literals } from './literal-cache.ts';
import type { MapList } from '../results/map-lists.ts';
import type { ResolvedCode } from '../module-resolver.ts';
import type { OtherResults } from '../results/other-results.ts';

export interface MessageSource {
  readonly results: RunResults;
  readonly literals: Literals;
  readonly others: OtherResults;
  /** The list of a map. */
  listOf(owner: number): MapList;
  readonly code: ResolvedCode;
  /** Undefined: tracing is off. */
  readonly tracer: AttemptTracer | undefined;
  /** See `NodeLink`. */
  readonly hostName: string | undefined;
  /** The serial number of the run on this host. */
  readonly serial: number;
  /** The form of a payload that the receiving node can read. */
  travelling(data: PayloadData): PayloadData;
  /** The name of a node by its index. */
  nodeName(index: number): string;
  /** The address by which other workers reach the worker of a thread; -1 when it is gone. */
  addressOf(thread: Thread): number;
}

// Shared by all batches: each program is copied before the next one begins.
const words = new WordWriter();

/** What workers report besides results. */
export interface Observed {
  /** When functions start, at once. */
  readonly starts: boolean;
  /** When functions started and ended. */
  readonly spans: boolean;
}

export function toOutgoing(batch: Batch, source: MessageSource, { starts, spans }: Observed): OutgoingBatch {
  const writer = new BatchWriter(batch, source);
  words.begin();
  for (const i of batch.functions) writer.write(i);
  const flags =
    (batch.exclusive || starts ? BatchFlag.announce : 0) |
    (spans ? BatchFlag.spans : 0) |
    (writer.linked ? BatchFlag.linked : 0) |
    (batch.thread.of === null ? 0 : BatchFlag.concurrent) |
    (batch.steady && !starts && !spans && batch.thread.node.host === 0 ? BatchFlag.patient : 0);
  const { sources, exports } = exchange(batch, source);
  return {
    id: batch.id,
    flags,
    origin: 0,
    runId: batch.run.id,
    dagId: batch.run.plan.dagId,
    serial: source.serial,
    claim: batch.claim,
    size: batch.functions.length,
    program: words.written,
    values: writer.values,
    sources,
    exports,
  };
}

/** The results that a batch of a gang takes from other workers, and sends to them. */
function exchange({ gang }: Batch, { addressOf }: MessageSource): Pick<OutgoingBatch, 'sources' | 'exports'> {
  if (gang === null) return { sources: null, exports: null };
  const sources = Int32Array.from(gang.sources, (batch) => addressOf(batch.thread));
  const exports = new Int32Array(4 * gang.exports.length);
  let end = 0;
  for (const { at, to, place } of gang.exports.toSorted((a, b) => a.at - b.at)) {
    exports[end++] = at;
    exports[end++] = addressOf(to.thread);
    exports[end++] = to.id;
    exports[end++] = place;
  }
  return { sources: sources.length > 0 ? sources : null, exports: end > 0 ? exports : null };
}

class BatchWriter {
  readonly values: unknown[] = [];
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
    const { traits, extraArgs } = plan.entries[i]!;
    const span = spanOf(this.#run, i);
    if (span !== undefined) return this.#element(i, span, traits);
    const parts = (plan.flags[i]! & Flag.special) === 0 ? undefined : plan.calls.get(i)!;
    const from = plan.depOffset[i]!;
    const end = plan.depOffset[i + 1]!;
    const isUnread = isResultUnread(this.#run, i) ? Head.unread : 0;
    this.#head(i, traits, parts?.length ?? end - from + extraArgs.length, isUnread);
    if (parts !== undefined) {
      for (const part of parts) this.#part(i, part);
      return;
    }
    for (let k = from; k < end; k++) this.#result(plan.deps[k]!);
    for (let k = 0; k < extraArgs.length; k++) this.#literal(extraArgs[k]);
  }

  /** An element takes its value of the list, and then what all elements take. */
  #element(i: number, span: Span, traits: Traits): void {
    const [, ...others] = this.#run.plan.calls.get(span.owner)!;
    const settles = span.map.settle ? Head.settles : 0;
    this.#head(i, traits, 1 + others.length, settles | (isResultUnread(this.#run, span.owner) ? Head.unread : 0));
    const k = i - span.base;
    if (span.source !== null) this.#result(span.source.base + k);
    else {
      const list = this.#source.listOf(span.owner);
      if (list.kind === 'values') this.#literal(list.values[k]);
      else if (list.kind === 'parts') this.#part(i, list.parts[k]!);
      else this.#result(list.base + k);
    }
    for (const part of others) this.#part(i, part);
  }

  #head(i: number, { retryIf }: Traits, count: number, more: number): void {
    const { plan, attempts } = this.#run;
    const { code, tracer } = this.#source;
    const traceparent =
      tracer === undefined ? undefined : tracer.begin(this.#run.id, plan, i, attempts[i]! + 1, this.#source.hostName);
    const common = (this.#isFed(i) ? Head.hasImports : 0) | more;
    words.push(code.codes[plan.code[i]!]!);
    if (!code.usesContext && retryIf === undefined && traceparent === undefined) {
      words.push((count << headBits) | common);
      return;
    }
    words.push(
      (count << headBits) |
        Head.named |
        (retryIf === undefined ? 0 : Head.hasRetryIf) |
        common |
        (traceparent === undefined ? 0 : Head.traced),
    );
    words.push(attempts[i]! + 1);
    this.values.push(plan.entries[i]!.id);
    if (traceparent !== undefined) this.values.push(traceparent);
    if (retryIf !== undefined) words.push(code.predicates.get(keyOf(retryIf))!);
  }

  #isFed(i: number): boolean {
    const imports = this.#batch.gang?.imports;
    if (imports === undefined || imports.size === 0) return false;
    const { depOffset, deps } = this.#run.plan;
    for (let k = depOffset[i]!; k < depOffset[i + 1]!; k++) if (imports.has(deps[k]!)) return true;
    return false;
  }

  #result(dep: number): void {
    if (this.#run.status[dep] !== Status.done) {
      words.push((this.#local(dep) << 2) | Word.local);
      return;
    }
    const list = this.#source.results.listOf(dep);
    if (list !== undefined) return this.#tagged(ArgTag.list, this.#listed(list));
    const held = this.#source.results.held(dep);
    if (held instanceof Payload) this.#tagged(ArgTag.payload, this.#source.travelling(held.data));
    else this.#value(held);
  }

  /**
   * The place of a result that does not exist yet: from an earlier function of this batch, or from another batch of its
   * gang.
   */
  #local(dep: number): number {
    this.linked = true;
    const place = this.#batch.gang?.imports.get(dep);
    return place === undefined ? this.#run.tally[dep]! : this.#batch.functions.length + place;
  }

  #literal(value: unknown): void {
    const data = this.#source.literals.payloadOf(value);
    if (data === undefined) this.#value(value);
    else this.#tagged(ArgTag.payload, this.#source.travelling(data));
  }

  #part(i: number, part: CallPart): void {
    if (part.kind === 'value') return this.#literal(part.value);
    if (part.kind === 'result') return this.#result(part.of);
    if (part.kind === 'optional' || part.kind === 'anyOf') {
      const of = this.#takenBy(part);
      return of === undefined ? this.#value(undefined) : this.#result(of);
    }
    const [tag, arg] = this.#tag(i, part);
    this.#tagged(tag, arg);
  }

  #value(value: unknown): void {
    if (isShort(value)) {
      words.push((value << 2) | Word.integer);
    } else {
      words.push(Word.value);
      this.values.push(value);
    }
  }

  #tagged(tag: number, arg: unknown): void {
    words.push((tag << 2) | Word.tagged);
    this.values.push(arg);
  }

  #tagInto(i: number, part: CallPart, into: unknown[]): void {
    const [tag, arg] = this.#tag(i, part);
    into.push(tag, arg);
  }

  /** An argument as a pair of tag and value, for lists and calls, which have no words. */
  #tag(i: number, part: CallPart): readonly [tag: number, arg: unknown] {
    switch (part.kind) {
      case 'value': {
        const data = this.#source.literals.payloadOf(part.value);
        return data === undefined ? [ArgTag.value, part.value] : [ArgTag.payload, this.#source.travelling(data)];
      }
      case 'result':
        return this.#tagResult(part.of);
      case 'optional':
      case 'anyOf': {
        const of = this.#takenBy(part);
        return of === undefined ? [ArgTag.value, undefined] : this.#tagResult(of);
      }
      case 'node':
        return [ArgTag.value, part.of < 0 ? this.#batch.thread.node.name : this.#nodeOf(part.of)];
      case 'resultOf':
        return this.#tagOther(part);
      case 'list': {
        const list: unknown[] = [];
        for (const each of part.parts) this.#tagInto(i, each, list);
        return [ArgTag.list, list];
      }
      case 'call': {
        const call: unknown[] = [this.#source.code.codes[part.code]];
        for (const each of part.parts) this.#tagInto(i, each, call);
        return [ArgTag.call, call];
      }
    }
  }

  /** The first function of a choice that was not skipped. */
  #takenBy({ of }: Extract<CallPart, { readonly kind: 'optional' | 'anyOf' }>): number | undefined {
    const among = typeof of === 'number' ? [of] : of;
    return among.find((dep) => this.#run.status[dep] !== Status.skipped);
  }

  #tagResult(dep: number): readonly [tag: number, arg: unknown] {
    if (this.#run.status[dep] !== Status.done) return [ArgTag.local, this.#local(dep)];
    const list = this.#source.results.listOf(dep);
    if (list !== undefined) return [ArgTag.list, this.#listed(list)];
    const held = this.#source.results.held(dep);
    return held instanceof Payload ? [ArgTag.payload, this.#source.travelling(held.data)] : [ArgTag.value, held];
  }

  #tagOther(other: OtherResult): readonly [tag: number, arg: unknown] {
    const source = this.#source.others.get(other)!;
    const { results, index } = source;
    const tag = (i: number): readonly [tag: number, arg: unknown] => {
      const held = results.held(i);
      return held instanceof Payload
        ? [ArgTag.payload, this.#source.travelling(source.ownOf(held.data))]
        : [ArgTag.value, held];
    };
    const list = results.listOf(index);
    if (list === undefined) return tag(index);
    const elements: unknown[] = [];
    for (let i = list.base; i < list.base + list.count; i++) elements.push(...tag(i));
    return [ArgTag.list, elements];
  }

  /** The results of the elements of a map, as tags and values. */
  #listed({ base, count }: ResultList): unknown[] {
    const list: unknown[] = [];
    for (let i = base; i < base + count; i++) list.push(...this.#tagResult(i));
    return list;
  }

  /** The node on which another function ran, runs or is bound to run. */
  #nodeOf(i: number): string {
    const ran = this.#run.node[i]!;
    const bound = fixedNode(this.#run, i);
    return this.#source.nodeName(ran >= 0 ? ran : bound >= 0 ? bound : this.#batch.thread.node.index);
  }
}

/** Whether no function takes a result, or that of the function whose graph gives it. */
function isResultUnread(run: Run, i: number): boolean {
  const { outOffset } = run.plan;
  if (outOffset[i] !== outOffset[i + 1]) return false;
  for (let at = expansionOf(run, i); at !== undefined; at = expansionOf(run, at.owner)) {
    const { owner } = at;
    if (!at.outputs.includes(i)) return true;
    const span = spanOf(run, owner);
    if (outOffset[owner] !== outOffset[owner + 1] || span !== undefined) return false;
    i = owner;
  }
  return true;
}
