/** Code in a worker: modules imported once, functions found by number. */
import { HandoffError } from '../../../core/errors.ts';
import type { FileMark } from '../../code/file-mark.ts';
import type { CodeWire } from '../wire.ts';
import { Imports } from './imports.ts';

export type Callable = (...args: unknown[]) => unknown;

export class CodeTable {
  /** Modules that this thread imports. */
  readonly imports: Imports;
  readonly #wires: CodeWire[] = [];
  /** Found functions, by number; the hot path reads it directly. */
  readonly functions: (Callable | undefined)[] = [];

  constructor(post: (message: unknown[]) => void) {
    this.imports = new Imports(post);
  }

  /** @param files what its module is made of, when that was not told before */
  define(code: number, wire: CodeWire, files?: readonly FileMark[]): void {
    if (files !== undefined && 'url' in wire) this.imports.expect(wire.url, files);
    this.#wires[code] = wire;
  }

  /**
   * Makes a function available.
   *
   * @throws `FUNCTION_NOT_FOUND`, `MODULE_FAILED`
   */
  async load(code: number): Promise<void> {
    const wire = this.#wires[code]!;
    this.functions[code] =
      'source' in wire ? evaluate(wire) : pick(await this.imports.load(wire.url, wire.module), wire);
  }
}

function pick(
  exports: Record<string, unknown>,
  { module, export: name }: { readonly module: string; readonly export: string },
): Callable {
  const found = exports[name];
  if (typeof found === 'function') return found as Callable;
  throw new HandoffError('FUNCTION_NOT_FOUND', `Module ${module} does not export a function ${name}.`, { module });
}

/**
 * A function from its source, as `fromSource()` gave it. Indirect eval: it sees globals, and nothing of this module.
 */
function evaluate({ source, name }: { source: string; name: string }): Callable {
  const text = toExpression(source);
  const made: unknown = (0, eval)(`(${text})`); // eslint-disable-line no-eval -- running source is what fromSource() is for
  if (typeof made !== 'function')
    throw new HandoffError('FUNCTION_NOT_FOUND', `The source of ${name} is not that of a function.`);
  return made as Callable;
}

/** The source of a method, such as `async go(x) { … }`, is not an expression; inside an object it is. */
export function toExpression(source: string): string {
  const isExpression =
    /^(async\s*)?(function\b|\(|[\p{ID_Start}$_][\p{ID_Continue}$]*\s*=>)/u.test(source) || /^class\b/.test(source);
  return isExpression ? source : `Object.values({ ${source} })[0]`;
}
