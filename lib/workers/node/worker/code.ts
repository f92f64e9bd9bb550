/** Code in a worker: modules imported once, functions found by number. */
import { HandoffError } from '../../../core/errors.ts';
import type { CodeWire } from '../wire.ts';

export type Callable = (...args: unknown[]) => unknown;

export class CodeTable {
  readonly #wires: CodeWire[] = [];
  /** Found functions, by number; the hot path reads it directly. */
  readonly functions: (Callable | undefined)[] = [];

  define(code: number, wire: CodeWire): void {
    this.#wires[code] = wire;
  }

  /**
   * Makes a function available.
   *
   * @throws `FUNCTION_NOT_FOUND`
   */
  async load(code: number): Promise<void> {
    const wire = this.#wires[code]!;
    this.functions[code] = 'source' in wire ? evaluate(wire) : await importFunction(wire);
  }
}

async function importFunction(wire: { url: string; module: string; export: string }): Promise<Callable> {
  let exports: Record<string, unknown>;
  try {
    exports = (await import(wire.url)) as Record<string, unknown>;
  } catch (cause) {
    throw new HandoffError('FUNCTION_NOT_FOUND', `Module ${wire.module} cannot be imported: ${cause instanceof Error ? cause.message : String(cause)}`, { module: wire.module, cause });
  }
  const found = exports[wire.export];
  if (typeof found === 'function') return found as Callable;
  throw new HandoffError('FUNCTION_NOT_FOUND', `Module ${wire.module} does not export a function ${wire.export}.`, { module: wire.module });
}

/** A function from its source, as `inline()` gave it. Indirect eval: it sees globals, and nothing of this module. */
function evaluate({ source, name }: { source: string; name: string }): Callable {
  const text = toExpression(source);
  const made: unknown = (0, eval)(`(${text})`); // eslint-disable-line no-eval -- running source is what inline() is for
  if (typeof made !== 'function') throw new HandoffError('FUNCTION_NOT_FOUND', `The source of ${name} is not that of a function.`);
  return made as Callable;
}

/** The source of a method, such as `async go(x) { … }`, is not an expression; inside an object it is. */
export function toExpression(source: string): string {
  const isExpression = /^(async\s*)?(function\b|\(|[\p{ID_Start}$_][\p{ID_Continue}$]*\s*=>)/u.test(source) || /^class\b/.test(source);
  return isExpression ? source : `Object.values({ ${source} })[0]`;
}
