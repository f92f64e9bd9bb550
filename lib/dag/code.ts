/** Code as plain data: what threads and hosts can be told to run. */

/** Code as plain data: an export of a module, or the source of a function that uses nothing from around it. */
export type FunctionReference =
  | { readonly module: string; readonly export: string }
  | { readonly source: string; readonly name: string };

/** What may stand for code in a `FunctionSpec`. */
export type CodeLike = FunctionReference | { readonly [reference]: FunctionReference };

/** Where a callable reference keeps its plain form. */
export const reference: unique symbol = Symbol.for('handoffjs.reference') as never;

/** The plain form of a reference, or undefined when the value is none. */
export function toReference(code: unknown): FunctionReference | undefined {
  if ((typeof code !== 'object' && typeof code !== 'function') || code === null) return undefined;
  if (reference in code) return code[reference] as FunctionReference;
  const { module, export: exported, source, name } = code as Record<string, unknown>;
  if (typeof module === 'string' && typeof exported === 'string') return { module, export: exported };
  if (typeof source === 'string') return { source, name: typeof name === 'string' ? name : 'anonymous' };
  return undefined;
}

/** Why `tasks()` cannot take a module, and what to write instead; undefined: it can. */
export function moduleProblem(module: string): string | undefined {
  if (module === '' || /^\.{0,2}\//.test(module)) return `it is a path, which would depend on who reads it. ${writeUrl}`;
  return schemeProblem(module);
}

/** Why nothing is imported from an address, and what to write instead; undefined: it is one that can be, or none. */
export function schemeProblem(module: string): string | undefined {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(module)?.[1]?.toLowerCase();
  if (scheme === undefined || ['file', 'data', 'node'].includes(scheme)) return undefined;
  return scheme.length === 1 ? `it is a path. ${writeUrl}` : `Node imports no modules from ${scheme}: addresses. Download the module, or install it as a package.`;
}

const writeUrl = 'For a file write tasks(new URL(\'./tasks.ts\', import.meta.url)).';

/** The function's own name: the export, or the name of the function given as source. */
export function nameOf(code: FunctionReference): string {
  return 'source' in code ? code.name : code.export;
}

/** One text per reference, equal when they name the same code. */
export function keyOf(code: FunctionReference): string {
  return 'source' in code ? `source:${code.source}` : `${code.module}#${code.export}`;
}
