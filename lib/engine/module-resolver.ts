/** Locates modules, imports them once in a worker, and checks their exports before anything runs. */
import type { CallPart, CompiledDag } from '../dag/compile/compiled-dag.ts';
import { type FunctionReference, keyOf } from '../dag/code.ts';
import { setLongTimeout } from '../core/long-timeout.ts';
import { didYouMean, nearest } from '../core/suggest.ts';
import { fromErrorWire, textOf } from '../core/error-wire.ts';
import { HandoffError, isHandoffError } from '../core/errors.ts';
import { locate, missing } from '../workers/code/locate.ts';
import { importCrashed } from '../workers/code/module-error.ts';
import type { CodeRegistry } from '../workers/node/code-registry.ts';
import type { Inspector } from '../workers/node/node-link.ts';
import type { Importing } from '../workers/node/thread-messages.ts';
import type { CodeWire, ModuleDescription } from '../workers/node/wire.ts';

/** Where to inspect code, and until when. */
interface Look {
  readonly inspector: Inspector;
  readonly givenUp: Promise<never>;
}

/** The code of a plan, ready to run. */
export interface ResolvedCode {
  /** Numbers in the `CodeList`, by the plan's code. */
  readonly codes: Int32Array;
  /** Numbers of `retryIf` predicates, by their key. */
  readonly predicates: ReadonlyMap<string, number>;
  /** Whether some function may use its context. */
  readonly usesContext: boolean;
  /** Functions whose first attempt counts from the import of their module, with the ms since then. */
  readonly began?: ReadonlyMap<number, number>;
}

/** The numbers of all code of a plan. */
export function allOf({ codes, predicates }: ResolvedCode): number[] {
  return [...codes, ...predicates.values()];
}

const tooLate = Symbol('the import takes longer than an attempt may');

export class Modules {
  readonly #list: CodeRegistry;
  readonly #known = new Map<string, ModuleDescription & { ok: true }>();
  #generation = 0;
  readonly #checkedSources = new Set<string>();
  /** By the codes of plans that share them: see `Templates`. */
  #resolved = new WeakMap<CompiledDag['codes'], ResolvedCode>();
  /** Modules that runs wait for, with the number of runs. */
  readonly #awaited = new Map<string, { readonly since: number; runs: number }>();

  constructor(list: CodeRegistry) {
    this.#list = list;
  }

  /**
   * Checks that all code of a plan exists. Synchronous when the code is already known.
   *
   * A function with a timeout that could start at once waits for an import no longer than that. Then the run starts
   * with the module unknown, and the function's own attempts report the outcome.
   *
   * @param givenUp rejects when the result is no longer needed
   * @throws `FUNCTION_NOT_FOUND` when a module or export is missing; `MODULE_FAILED` when an import fails;
   *   `VERSION_MISMATCH` when a module has changed; `INLINE_CLOSURE` when source text uses variables from outside
   */
  resolve(
    plan: CompiledDag,
    inspector: () => Inspector,
    givenUp: Promise<never>,
  ): ResolvedCode | Promise<ResolvedCode> {
    const before = this.#resolved.get(plan.codes);
    const { versions } = this.#list;
    if (before !== undefined && versions.generation === this.#generation && !versions.haveChanged) return before;
    const references = [...plan.codes, ...plan.predicates];
    this.#refuseChanged(references);
    if (!references.every((each) => this.#isKnown(each))) {
      return this.#learn(plan, references, { inspector: inspector(), givenUp }).then((began) =>
        this.#number(plan, began),
      );
    }
    for (const reference of references) this.#check(plan, reference);
    const resolved = this.#number(plan);
    this.#resolved.set(plan.codes, resolved);
    return resolved;
  }

  /** @throws `VERSION_MISMATCH` when a module has changed */
  #refuseChanged(references: readonly FunctionReference[]): void {
    const { versions } = this.#list;
    if (versions.generation !== this.#generation) {
      this.#known.clear();
      this.#resolved = new WeakMap();
    }
    this.#generation = versions.generation;
    if (!versions.haveChanged) return;
    for (const reference of references)
      if (!('source' in reference) && this.#known.has(reference.module)) versions.of(locate(reference.module));
  }

  #isKnown(reference: FunctionReference): boolean {
    return 'source' in reference ? this.#checkedSources.has(reference.source) : this.#known.has(reference.module);
  }

  /** Takes modules as they are now, once all threads have restarted. */
  forget(): void {
    this.#list.versions.forget();
  }

  /** The module a run waits for before it can start; undefined when there is none. */
  awaitedBy(plan: CompiledDag): Importing | undefined {
    for (const reference of [...plan.codes, ...plan.predicates]) {
      if ('source' in reference || this.#known.has(reference.module)) continue;
      const awaited = this.#awaited.get(reference.module);
      if (awaited !== undefined) return { module: reference.module, since: awaited.since };
    }
    return undefined;
  }

  /** Returns the functions whose attempts started meanwhile, with the ms since then. */
  async #learn(plan: CompiledDag, references: readonly FunctionReference[], look: Look): Promise<Map<number, number>> {
    const began = new Map<number, number>();
    const modules = new Set(references.flatMap((each) => ('source' in each ? [] : each.module)));
    for (const module of modules) {
      if (!this.#known.has(module)) await this.#learnModule(module, plan, look, began);
    }
    for (const reference of references) {
      if ('source' in reference && !this.#checkedSources.has(reference.source)) {
        await checkSource(functionOf(plan, reference), reference, look);
        this.#checkedSources.add(reference.source);
      }
      this.#check(plan, reference);
    }
    return began;
  }

  async #learnModule(module: string, plan: CompiledDag, look: Look, began: Map<number, number>): Promise<void> {
    const since = performance.now();
    const awaited = this.#awaited.get(module) ?? { since, runs: 0 };
    this.#awaited.set(module, awaited);
    awaited.runs++;
    const impatient = impatientFor(module, plan);
    const late = Promise.withResolvers<never>();
    late.promise.catch(() => {});
    const timer =
      impatient.length === 0
        ? undefined
        : setLongTimeout(
            () => late.reject(tooLate),
            Math.min(...impatient.map((i) => plan.entries[i]!.traits.timeout!)),
          );
    const givenUp = Promise.race([look.givenUp, late.promise]);
    givenUp.catch(() => {});
    try {
      this.#known.set(module, await Promise.race([describe(module, { ...look, givenUp }, this.#list), late.promise]));
    } catch (error) {
      if (error !== tooLate) throw error;
      for (const i of impatient) began.set(i, performance.now() - since);
    } finally {
      timer?.clear();
      if (--awaited.runs === 0) this.#awaited.delete(module);
    }
  }

  #check(plan: CompiledDag, reference: FunctionReference): void {
    if ('source' in reference) return;
    const known = this.#known.get(reference.module);
    if (known === undefined) return; // its import is slow; the attempts will report the outcome
    const { functions, classes = [], others, hidden = [] } = known;
    if (functions.includes(reference.export)) return;
    const isClass = classes.includes(reference.export);
    const suggestion = isClass ? undefined : nearest(reference.export, functions);
    const functionId = functionOf(plan, reference);
    const what = isClass
      ? `exports ${reference.export}, but it is a class: make an actor of it with spawn(), or export a function`
      : others.includes(reference.export)
        ? `exports ${reference.export}, but it is not a function`
        : `does not export ${reference.export}`;
    const hint = hidden.includes(reference.export)
      ? hiddenHint(reference.export, known.isCommonJs === true)
      : didYouMean(suggestion);
    throw new HandoffError(
      'FUNCTION_NOT_FOUND',
      `Function ${JSON.stringify(functionId)}: module ${reference.module} ${what}.${hint}`,
      {
        functionId,
        module: reference.module,
        ...(suggestion !== undefined && { suggestion }),
      },
    );
  }

  #number(plan: CompiledDag, began?: ReadonlyMap<number, number>): ResolvedCode {
    const number = (reference: FunctionReference): number =>
      this.#list.number(keyOf(reference), () => toWire(reference));
    return {
      codes: Int32Array.from(plan.codes, number),
      predicates: new Map(plan.predicates.map((each) => [keyOf(each), number(each)])),
      usesContext: plan.codes.some(
        (each) => !('source' in each) && (this.#known.get(each.module)?.usesContext ?? true),
      ),
      ...(began !== undefined && began.size > 0 && { began }),
    };
  }
}

/** How to make a hidden function a visible export. */
function hiddenHint(name: string, isCommonJs: boolean): string {
  return isCommonJs
    ? ` Its module.exports has ${name}, but Node cannot see this without running the module. Write exports.${name} = …, or module.exports = { ${name} }.`
    : ` Its default export has ${name}: export the function by its name.`;
}

/** Functions with a timeout that need the module and nothing else. */
function impatientFor(module: string, plan: CompiledDag): number[] {
  const isOf = (code: number): boolean => {
    const reference = plan.codes[code]!;
    return !('source' in reference) && reference.module === module;
  };
  const needs = (part: CallPart): boolean =>
    part.kind === 'call' ? isOf(part.code) || part.parts.some(needs) : part.kind === 'list' && part.parts.some(needs);
  const indexes: number[] = [];
  for (const [
    i,
    {
      traits: { timeout },
    },
  ] of plan.entries.entries()) {
    if (
      timeout !== undefined &&
      plan.inDegree[i] === 0 &&
      (isOf(plan.code[i]!) || plan.calls.get(i)?.some(needs) === true)
    )
      indexes.push(i);
  }
  return indexes;
}

async function describe(
  module: string,
  { inspector, givenUp }: Look,
  { versions }: CodeRegistry,
): Promise<ModuleDescription & { ok: true }> {
  let url: string;
  try {
    url = locate(module);
  } catch (cause) {
    throw new HandoffError(
      'FUNCTION_NOT_FOUND',
      `Module ${module} is missing: ${textOf(cause)}. Check its path, or install the package.`,
      { module, cause },
    );
  }
  const absent = missing(module, url);
  if (absent !== undefined) throw absent;
  versions.of(url); // before any thread imports it
  // What a thread runs beside the import may have ended it: only the second time, the module is blamed.
  const description = await inspector
    .describe(url, givenUp)
    .catch((error: unknown) => {
      if (isHandoffError(error, 'WORKER_CRASHED')) return inspector.describe(url, givenUp);
      throw error;
    })
    .catch((error: unknown) => {
      throw isHandoffError(error, 'WORKER_CRASHED') ? importCrashed(module, error) : error;
    });
  if (description.ok) return description;
  throw fromErrorWire(description.error);
}

async function checkSource(
  functionId: string,
  { source, name }: { source: string; name: string },
  { inspector, givenUp }: Look,
): Promise<void> {
  const description = await inspector.freeVariables(source, givenUp);
  if (!description.ok) {
    const cause = fromErrorWire(description.error) as Error;
    throw new HandoffError(
      'FUNCTION_NOT_FOUND',
      `Function ${JSON.stringify(functionId)}: the source of ${name} cannot be read: ${cause.message}`,
      { functionId, cause },
    );
  }
  const [variable] = description.free;
  if (variable === undefined) return;
  throw new HandoffError(
    'INLINE_CLOSURE',
    `Function ${JSON.stringify(functionId)}: ${name}, given by fromSource(), uses the outer variable ${variable}, ` +
      'which is not sent with its source. Pass it as an argument, or export the function from a module.',
    { functionId, variable },
  );
}

/** The id of a function with this code, for error texts. */
function functionOf(plan: CompiledDag, reference: FunctionReference): string {
  const key = keyOf(reference);
  const direct = plan.codes.findIndex((each) => keyOf(each) === key);
  const found = plan.entries.find(
    (entry, i) =>
      plan.code[i] === direct || (entry.traits.retryIf !== undefined && keyOf(entry.traits.retryIf) === key),
  );
  return found?.id ?? plan.dagId;
}

function toWire(reference: FunctionReference): CodeWire {
  return 'source' in reference
    ? reference
    : { url: locate(reference.module), module: reference.module, export: reference.export };
}
