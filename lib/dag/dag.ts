/** A DAG: functions by id. Users build, validate, store and draw it; a run compiles it. */
import { nanoid } from 'nanoid/non-secure';
import { type DagError, HandoffError } from '../core/errors.ts';
import { idExpected, isId } from '../core/values.ts';
import type { OutputShape } from '../core/output-shape.ts';
import { expand } from './argument.ts';
import { show } from '../core/show.ts';
import { toEntry } from './validation/check.ts';
import { copyOf } from '../core/copy.ts';
import { notData } from '../core/serializable.ts';
import { type DagParts, defaultTraits, type Entry, toResolved } from './compile/entry.ts';
import { nameOf } from './code.ts';
import { neverText } from './refuse-text.ts';
import type { FunctionSpec, ResolvedFunction } from './types.ts';
import { validate } from './validation/validate.ts';

export type Validation = { readonly ok: true } | { readonly ok: false; readonly error: DagError };

/** A DAG as plain data, for `JSON.stringify`, files and other languages. */
export interface DagJson {
  readonly id: string;
  readonly functions: readonly FunctionSpec[];
  /** Only for a DAG of calls: the ids of its outputs, in the shape of the outputs. */
  readonly outputs?: OutputShape<string>;
}

/**
 * A DAG as plain data that shares its values with the DAG, and must not be changed. For those who serialize it at once.
 */
export function sharedJsonOf(dag: Dag): DagJson {
  const functions = partsOf(dag).entries.filter(({ traits }) => traits.transforms === undefined);
  return { id: dag.id, functions: functions.map((entry) => toSpec(entry, (value) => value)) };
}

/** The internal parts of a DAG. Users see `functions` instead. */
export let partsOf: (dag: Dag) => DagParts;

/**
 * A graph of functions and their dependencies, with an id.
 *
 * @example
 * ```ts
 * const dag = new Dag('pipeline')
 *   .add({ id: 'generate', code: t.generate, extraArgs: [100] })
 *   .add({ id: 'filter', code: t.filter, args: ['generate'], extraArgs: [30] });
 * ```
 */
export class Dag {
  readonly id: string;
  readonly #entries: Entry[] = [];
  readonly #index = new Map<string, number>();
  readonly #traited: number[] = [];

  /**
   * @param id names the runs of this DAG; default: a random id
   * @throws `INVALID_FUNCTION` when the id is not a string, is empty, or has more than 4096 characters
   */
  constructor(id: string = nanoid()) {
    if (!isId(id)) throw new HandoffError('INVALID_FUNCTION', `A DAG's id must be ${idExpected}, got ${show(id)}.`);
    this.id = id;
  }

  /**
   * Adds a function. Its dependencies may be added later.
   *
   * Copies everything in `spec`: later changes of it, `extraArgs` included, have no effect. Shared memory is not
   * copied.
   *
   * An `Argument` among `args` adds `serialize:<producer>-><consumer>:<argument index>` and `deserialize:…` before the
   * function.
   *
   * @param spec the function
   * @returns the DAG
   * @throws `INVALID_FUNCTION` when a field is malformed, `DUPLICATE_FUNCTION` when the id exists, `NOT_SERIALIZABLE`
   *   when a value cannot leave its thread; the DAG stays unchanged
   */
  add(spec: FunctionSpec): this {
    const entry = toEntry(spec);
    if (entry.traits.written === undefined) return this.#append(entry);
    const expanded = expand(entry);
    for (const { id } of expanded) this.#refuseDuplicate(id);
    for (const each of expanded) this.#append(each);
    return this;
  }

  /** The number of functions, including the transforms of `Argument`s. */
  get size(): number {
    return this.#entries.length;
  }

  /** Every function by id, in the order of addition, with defaults filled in. */
  get functions(): ReadonlyMap<string, ResolvedFunction> {
    return new Map(this.#entries.map((entry) => [entry.id, toPublic(entry)]));
  }

  has(id: string): boolean {
    return this.#index.has(id);
  }

  /** The function with this id, with defaults filled in; undefined if there is none. */
  get(id: string): ResolvedFunction | undefined {
    const at = this.#index.get(id);
    return at === undefined ? undefined : toPublic(this.#entries[at]!);
  }

  /** Checks the DAG as a whole. It has no side effects. `execute` also calls it, before anything runs. */
  validate(): Validation {
    const error = validate(partsOf(this));
    return error === undefined ? { ok: true } : { ok: false, error };
  }

  /** The DAG as plain data, from which `Dag.fromJSON` rebuilds it. */
  toJSON(): DagJson {
    return {
      id: this.id,
      functions: this.#entries
        .filter((entry) => entry.traits.transforms === undefined)
        .map((entry) => toSpec(entry, copyOf)),
    };
  }

  /**
   * Rebuilds a DAG from its plain data.
   *
   * @param json the result of `toJSON`
   * @throws `INVALID_FUNCTION` when it is not a stored DAG; otherwise the errors of the constructor and `add`
   */
  static fromJSON(json: DagJson): Dag {
    if (typeof json !== 'object' || json === null || !Array.isArray(json.functions)) {
      throw new HandoffError('INVALID_FUNCTION', `A stored DAG must be { id, functions: [...] }, got ${show(json)}.`);
    }
    const dag = new Dag(json.id);
    for (const spec of json.functions) dag.add(spec);
    return dag;
  }

  #append(entry: Entry): this {
    this.#refuseDuplicate(entry.id);
    if (entry.traits !== defaultTraits) this.#traited.push(this.#entries.length);
    this.#index.set(entry.id, this.#entries.length);
    this.#entries.push(entry);
    return this;
  }

  #refuseDuplicate(id: string): void {
    const taken = this.#index.get(id);
    if (taken === undefined) return;
    const { code } = this.#entries[taken]!;
    const runs = code === null ? 'an input' : `runs ${nameOf(code)}`;
    const text = `There is already a function ${show(id)} (${runs}). Ids are unique in a DAG.`;
    throw new HandoffError('DUPLICATE_FUNCTION', text, { functionId: id });
  }

  static {
    Object.defineProperty(Dag.prototype, notData, {
      value: 'a DAG, which has no value (pass the call or the id of the function whose result is wanted)',
    });
    neverText(Dag.prototype, 'A DAG is', 'pass its id, or run it and use its results');
    partsOf = (dag) => ({ entries: dag.#entries, index: dag.#index, traited: dag.#traited });
  }
}

/** A function with its own copies of values, which the receiver may change. */
function toPublic(entry: Entry): ResolvedFunction {
  return copyOf(toResolved(entry));
}

/**
 * The specification of a function, from which it can be added again.
 *
 * @param own gives a copy of a value
 */
function toSpec(entry: Entry, own: <Value>(value: Value) => Value): FunctionSpec {
  if (entry.traits === defaultTraits) {
    const { id, code, args, extraArgs } = entry;
    return {
      id,
      code: own(code),
      ...(args.length > 0 && { args: own(args) }),
      ...(extraArgs.length > 0 && { extraArgs: own(extraArgs) }),
    };
  }
  const {
    args,
    argumentInclusion,
    type,
    priority,
    idempotent,
    concurrent,
    parallelism,
    retryDelay,
    extraArgs,
    ...rest
  } = own(toResolved(entry));
  const written = own(entry.traits.written) ?? args;
  return {
    ...rest,
    ...(written.length > 0 && { args: written }),
    ...(extraArgs.length > 0 && { extraArgs }),
    ...(argumentInclusion === 'list' && { argumentInclusion }),
    ...(type !== 'regular' && { type }),
    ...(priority !== 0 && { priority }),
    ...(!idempotent && { idempotent }),
    ...(concurrent && { concurrent }),
    ...(entry.traits.parallelism !== undefined && { parallelism }),
    ...(retryDelay !== undefined && retryDelay !== 0 && { retryDelay }),
  };
}
