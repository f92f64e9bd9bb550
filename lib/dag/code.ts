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
  if (typeof source === 'string') return { source, name: typeof name === 'string' ? name : 'inline' };
  return undefined;
}

/** The function's own name: the export, or the name of the inlined function. */
export function nameOf(code: FunctionReference): string {
  return 'source' in code ? code.name : code.export;
}

/** One text per reference, equal when they name the same code. */
export function keyOf(code: FunctionReference): string {
  return 'source' in code ? `source:${code.source}` : `${code.module}#${code.export}`;
}
