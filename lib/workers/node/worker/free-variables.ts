/** Finds the free variables of a function's source: names it uses but does not define. */
import { parse } from 'acorn';
import { analyze } from 'eslint-scope';
import { toExpression } from './code.ts';

/**
 * Names that are neither defined in the source nor global here, each once.
 *
 * @throws `SyntaxError` when the source cannot be parsed
 */
export function freeVariables(source: string): string[] {
  const text = `(${toExpression(source)})`;
  const tree = parse(text, { ecmaVersion: 'latest', sourceType: 'script', ranges: true });
  const scopes = analyze(tree as Parameters<typeof analyze>[0], { ecmaVersion: 2025, sourceType: 'script' });
  const names = scopes
    .globalScope!.through.map(({ identifier }) => identifier as unknown as { name: string; start: number })
    // `typeof x` tests whether `x` exists, so it is no use of it.
    .filter(({ start }) => !/typeof\s*\(?\s*$/.test(text.slice(0, start)))
    .map(({ name }) => name);
  return [...new Set(names)].filter((name) => !(name in globalThis) && name !== 'arguments');
}
