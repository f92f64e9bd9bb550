/** References to code, as plain data that threads and hosts can run. */

/**
 * A reference to code as plain data: an export of a module, or the source of a function that uses only globals and its
 * parameters.
 */
export type FunctionReference =
  { readonly module: string; readonly export: string } | { readonly source: string; readonly name: string };

/** The values that `code` of a `FunctionSpec` accepts. */
export type CodeLike = FunctionReference | { readonly [reference]: FunctionReference };

/** The key under which a callable reference keeps its plain form. */
export const reference: unique symbol = Symbol.for('handoffjs.reference') as never;

/** The key under which a callable reference keeps that its functions are concurrent. */
export const concurrentTask: unique symbol = Symbol.for('handoffjs.concurrent') as never;

/** Whether functions with this code are concurrent unless they say otherwise. */
export function isConcurrentTask(code: unknown): boolean {
  return typeof code === 'function' && concurrentTask in code;
}

/** The plain form of a reference; undefined when the value is not a reference. */
export function toReference(code: unknown): FunctionReference | undefined {
  if ((typeof code !== 'object' && typeof code !== 'function') || code === null) return undefined;
  if (reference in code) return code[reference] as FunctionReference;
  const { module, export: exported, source, name } = code as Record<string, unknown>;
  if (typeof module === 'string' && typeof exported === 'string') return { module, export: exported };
  if (typeof source === 'string') return { source, name: typeof name === 'string' ? name : 'anonymous' };
  return undefined;
}

/** Why `tasks()` cannot take a module, and what to write instead; undefined if it can. */
export function moduleProblem(module: string): string | undefined {
  if (module === '' || /^\.{0,2}\//.test(module))
    return `it is a path, whose meaning depends on the file that reads it. ${writeUrl}`;
  return schemeProblem(module);
}

/**
 * Why a module with this URL scheme cannot be imported, and what to write instead; undefined if it can, or if there is
 * no scheme.
 */
export function schemeProblem(module: string): string | undefined {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(module)?.[1]?.toLowerCase();
  if (scheme === undefined || ['file', 'data', 'node'].includes(scheme)) return undefined;
  if (scheme.length === 1) return `it is a path. ${writeUrl}`;
  return `Node imports no modules from ${scheme}: addresses. Download the module, or install it as a package.`;
}

const writeUrl = "For a file write tasks(new URL('./tasks.ts', import.meta.url)).";

/** The function's own name: the name of the export or of the inlined function. */
export function nameOf(code: FunctionReference): string {
  return 'source' in code ? code.name : code.export;
}

/** A text that is equal for references to the same code. */
export function keyOf(code: FunctionReference): string {
  return 'source' in code ? `source:${code.source}` : `${code.module}#${code.export}`;
}
