/** Code in a thread: imports modules once, finds functions by number. */
import { HandoffError } from '../../../core/errors.ts';
import type { FileMark } from '../../code/file-mark.ts';
import type { CodeWire } from '../wire.ts';
import { Imports } from './imports.ts';

export type Callable = (...args: unknown[]) => unknown;

export class CodeTable {
  /** The modules of this thread. */
  readonly imports: Imports;
  readonly #wires: CodeWire[] = [];
  /** Loaded functions, by number; the hot path reads it directly. */
  readonly functions: (Callable | undefined)[] = [];

  constructor(post: (message: unknown[]) => void) {
    this.imports = new Imports(post);
  }

  /** @param files the files of its module, unless announced before */
  define(code: number, wire: CodeWire, files?: readonly FileMark[]): void {
    if (files !== undefined && 'url' in wire) this.imports.expect(wire.url, files);
    this.#wires[code] = wire;
  }

  /**
   * Loads a function.
   *
   * @throws `FUNCTION_NOT_FOUND` when module or export is missing; `MODULE_FAILED` when the import fails;
   *   `VERSION_MISMATCH` when the module has changed
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
  throw new HandoffError(
    'FUNCTION_NOT_FOUND',
    `Module ${module} does not export a function ${name}. Export it by that name.`,
    { module },
  );
}

/**
 * Turns the source that `fromSource()` recorded into a function. Indirect eval: the code sees globals, but nothing of
 * this module.
 */
function evaluate({ source, name }: { source: string; name: string }): Callable {
  const text = toExpression(source);
  const made: unknown = (0, eval)(`(${text})`); // eslint-disable-line no-eval -- running source is what fromSource() is for
  if (typeof made !== 'function')
    throw new HandoffError(
      'FUNCTION_NOT_FOUND',
      `The source of ${name} is not a function. Pass a function to fromSource().`,
    );
  return made as Callable;
}

/** The source of a method, such as `async go(x) { … }`, is an expression only inside an object. */
export function toExpression(source: string): string {
  const isExpression =
    /^(async\s*)?(function\b|\(|[\p{ID_Start}$_][\p{ID_Continue}$]*\s*=>)/u.test(source) || /^class\b/.test(source);
  return isExpression ? source : `Object.values({ ${source} })[0]`;
}
