/**
 * Compiled DAGs by their shape: the ids, codes and dependencies of functions that set no other field. A DAG that is
 * made for each request, and a graph that functions answer with again and again, are compiled once; after that only the
 * values differ.
 */
import { isId } from '../../core/values.ts';
import { type Dag, type DagJson, partsOf } from '../dag.ts';
import { compile } from './compile.ts';
import type { CompiledDag } from './compiled-dag.ts';
import { basicFields, type Entry, none } from './entry.ts';

// Larger DAGs are rarely made again and again, and their key would take as long as compiling them.
const maxFunctions = 64;
// Programs make few shapes, or a new one each time.
const maxTemplates = 500;
const maxCodes = 5000;

type Basic = Pick<Entry, 'id' | 'args' | 'code'>;

export class Templates {
  readonly #depthFirst: boolean;
  readonly #plans = new Map<string, CompiledDag>();
  /** By module and export. */
  readonly #codes = new Map<string, Map<string, number>>();
  #codeCount = 0;

  /** @param depthFirst see `CompileOptions` */
  constructor(depthFirst: boolean) {
    this.#depthFirst = depthFirst;
  }

  /**
   * Does what `compile` does, and throws what it throws.
   *
   * @param ignorePlacement see `CompileOptions`. It changes nothing about what has a shape
   */
  compile(dag: Dag, ignorePlacement: boolean): CompiledDag {
    const options = { ignorePlacement, depthFirst: this.#depthFirst };
    const { entries, traited } = partsOf(dag);
    const shape = traited.length === 0 ? this.#shapeOf(entries) : undefined;
    if (shape === undefined) return compile(dag, options);
    const known = this.#plans.get(shape);
    if (known !== undefined) return { ...known, dagId: dag.id, entries: entries.slice() };
    const plan = compile(dag, options);
    this.#keep(shape, plan);
    return plan;
  }

  /**
   * The plan of a DAG as plain data, if one of its shape was compiled before. The data need not be checked: data of the
   * same shape was, and its values have travelled.
   */
  planOf({ id, functions }: DagJson): CompiledDag | undefined {
    if (!isId(id) || !Array.isArray(functions) || !functions.every(isBasic)) return undefined;
    const known = this.#plans.get(this.#shapeOf(functions) ?? '');
    if (known === undefined) return undefined;
    const entries = known.entries.map(({ id: own, args, code, traits }, i): Entry => {
      const { extraArgs = none } = functions[i]!;
      return { id: own, args, code, extraArgs, traits };
    });
    return { ...known, dagId: id, entries };
  }

  /** A text that is equal for DAGs of the same shape; undefined if they are not kept. */
  #shapeOf(functions: readonly Partial<Basic>[]): string | undefined {
    if (functions.length === 0 || functions.length > maxFunctions) return undefined;
    let shape = '';
    for (const { id, args = none, code } of functions) {
      if (code === null || code === undefined || !('module' in code)) return undefined; // sources are long
      // With its length, no id can look like two.
      shape += `${this.#numberOf(code.module, code.export)}:${id!.length}:${id}`;
      for (const arg of args) shape += `,${arg.length}:${arg}`;
      shape += ';';
    }
    return shape;
  }

  #numberOf(module: string, name: string): number {
    let ofModule = this.#codes.get(module);
    if (ofModule === undefined) this.#codes.set(module, (ofModule = new Map()));
    let number = ofModule.get(name);
    if (number === undefined) ofModule.set(name, (number = this.#codeCount++));
    return number;
  }

  #keep(shape: string, plan: CompiledDag): void {
    if (this.#plans.size >= maxTemplates || this.#codeCount >= maxCodes) {
      this.#plans.clear();
      this.#codes.clear();
      this.#codeCount = 0;
      return; // its shape names codes by the numbers that they had
    }
    // Values of the DAG, which may be large, are not part of what is kept.
    const entries = plan.entries.map(({ id, args, code, traits }): Entry => ({
      id,
      args,
      code,
      extraArgs: none,
      traits,
    }));
    const index = new Map(entries.map(({ id }, i) => [id, i]));
    this.#plans.set(shape, { ...plan, entries, indexOf: (id) => index.get(id) ?? -1 });
  }
}

/** Whether a function as plain data sets only the fields that a shape consists of. */
function isBasic(spec: unknown): boolean {
  if (typeof spec !== 'object' || spec === null) return false;
  for (const field in spec) if (!basicFields.has(field)) return false;
  const { id, code, args = none, extraArgs = none } = spec as Record<string, unknown>;
  return (
    typeof id === 'string' &&
    isExport(code) &&
    Array.isArray(args) &&
    args.every((arg) => typeof arg === 'string') &&
    Array.isArray(extraArgs)
  );
}

function isExport(code: unknown): boolean {
  if (typeof code !== 'object' || code === null) return false;
  const { module, export: name } = code as Record<string, unknown>;
  return typeof module === 'string' && typeof name === 'string';
}
