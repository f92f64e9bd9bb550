/**
 * The keys of results in the cache. A key is a hash of everything that a result depends on: the code with everything
 * that it imports, and the values of its arguments. Where a value comes from does not matter.
 *
 * ```
 *   total(clean(raw), 10)     code of total ─┐
 *                             value of clean ─┼─► key ─► result
 *                             10             ─┘
 * ```
 */
import { hash } from 'node:crypto';
import type { CallPart, CompiledDag } from '../../dag/compile/compiled-dag.ts';
import { Flag } from '../../dag/compile/compiled-dag.ts';
import type { CacheOptions } from '../../dag/types.ts';
import { identityOf } from '../results/value-identity.ts';

/** Increased when keys are formed in another way, so that older results are not taken. */
const version = 1;

/** What is known of the inputs of a function. */
export interface Inputs {
  /** The identity of a result; undefined when it has none, because it cannot be stored. */
  identityOf(i: number): string | undefined;
  isSkipped(i: number): boolean;
  /** The key under which a function is cached; undefined when it is not. */
  keyOf(i: number): string | undefined;
}

export class CacheKeys {
  readonly #plan: CompiledDag;
  readonly #codes: readonly string[];
  /** Functions that others wait for without taking their results, by the waiting function. */
  readonly #before = new Map<number, readonly number[]>();
  readonly #literals = new WeakMap<object, string>();

  /** @param hashes of each module, with everything that it imports */
  constructor(plan: CompiledDag, hashes: Readonly<Record<string, string>>) {
    this.#plan = plan;
    this.#codes = plan.codes.map((code) =>
      identityOf('source' in code ? code.source : [hashes[code.module], code.export]),
    );
  }

  /** Whether a function can have a key at all. A map has none, nor a function that takes names of nodes or other runs' results. */
  isPossible(i: number): boolean {
    const { calls, flags } = this.#plan;
    if ((flags[i]! & Flag.map) !== 0) return false;
    return (flags[i]! & Flag.special) === 0 || !calls.get(i)!.some(hasNoIdentity);
  }

  /** The functions that this one waits for without taking their results, except its condition. */
  before(i: number): readonly number[] {
    const { calls, flags, depOffset, deps, branches } = this.#plan;
    if ((flags[i]! & Flag.ordered) === 0) return [];
    let before = this.#before.get(i);
    if (before === undefined) {
      const taken = new Set(calls.get(i)!.flatMap((part) => [...takenBy(part)]));
      taken.add(branches?.when.get(i)?.of ?? -1);
      before = [...deps.subarray(depOffset[i]!, depOffset[i + 1]!)].filter((dep) => !taken.has(dep));
      this.#before.set(i, before);
    }
    return before;
  }

  /** The key of a function whose inputs are known; undefined when one of them has no identity. */
  of(i: number, inputs: Inputs, options: CacheOptions): string | undefined {
    const texts = [`${version}`, this.#codes[this.#plan.code[i]!]!, identityOf(options.version)];
    return this.#addBefore(i, inputs, texts) && this.#addCall(i, inputs, texts)
      ? hash('sha256', texts.join('\n'), 'base64url')
      : undefined;
  }

  /** What ran before a function may have changed what the function reads, so its key counts. */
  #addBefore(i: number, inputs: Inputs, texts: string[]): boolean {
    return this.before(i).every((dep) => {
      const key = inputs.isSkipped(dep) ? 'skipped' : inputs.keyOf(dep);
      texts.push(`<${key}`);
      return key !== undefined;
    });
  }

  #addCall(i: number, inputs: Inputs, texts: string[]): boolean {
    const { flags, calls, depOffset, deps, entries } = this.#plan;
    if ((flags[i]! & Flag.special) !== 0) return calls.get(i)!.every((part) => this.#add(part, inputs, texts));
    for (let k = depOffset[i]!; k < depOffset[i + 1]!; k++) if (!addResult(deps[k]!, inputs, texts)) return false;
    for (const value of entries[i]!.extraArgs) texts.push(this.#literal(value));
    return true;
  }

  /** Returns false when an identity is missing. */
  #add(part: CallPart, inputs: Inputs, texts: string[]): boolean {
    switch (part.kind) {
      case 'value':
        texts.push(this.#literal(part.value));
        return true;
      case 'result':
        return addResult(part.of, inputs, texts);
      case 'optional':
      case 'anyOf': {
        const among = typeof part.of === 'number' ? [part.of] : part.of;
        const taken = among.find((dep) => !inputs.isSkipped(dep));
        if (taken !== undefined) return addResult(taken, inputs, texts);
        texts.push(identityOf(undefined));
        return true;
      }
      case 'list':
        texts.push(`[${part.parts.length}`);
        return part.parts.every((each) => this.#add(each, inputs, texts));
      case 'call':
        texts.push(`(${part.parts.length}`, this.#codes[part.code]!);
        return part.parts.every((each) => this.#add(each, inputs, texts));
      case 'node':
      case 'resultOf':
        return false;
    }
  }

  /** Literals do not change, and large ones are often shared by many functions. */
  #literal(value: unknown): string {
    if (typeof value !== 'object' || value === null) return identityOf(value);
    let identity = this.#literals.get(value);
    if (identity === undefined) this.#literals.set(value, (identity = identityOf(value)));
    return identity;
  }
}

function addResult(dep: number, inputs: Inputs, texts: string[]): boolean {
  const identity = inputs.identityOf(dep);
  if (identity === undefined) return false;
  texts.push(identity);
  return true;
}

function hasNoIdentity(part: CallPart): boolean {
  if (part.kind === 'list' || part.kind === 'call') return part.parts.some(hasNoIdentity);
  return part.kind === 'node' || part.kind === 'resultOf';
}

function* takenBy(part: CallPart): Generator<number> {
  if (part.kind === 'result' || part.kind === 'optional') yield part.of;
  else if (part.kind === 'anyOf') yield* part.of;
  else if (part.kind === 'list' || part.kind === 'call') for (const each of part.parts) yield* takenBy(each);
}
