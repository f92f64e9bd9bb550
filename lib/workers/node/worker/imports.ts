/**
 * Modules that a thread imports: told before and after, so that a thread that is stuck in one can be found and ended;
 * and compared with what the node announced, so that no two threads run different versions.
 */
import { type FileMark, firstChanged } from '../../code/file-mark.ts';
import { FromWorker } from '../wire.ts';

export class Imports {
  readonly #post: (message: unknown[]) => void;
  readonly #done = new Set<string>();
  readonly #expected = new Map<string, readonly FileMark[]>();
  /** Modules that changed while they were imported: what is here is nobody's version. */
  readonly #spoilt = new Map<string, string>();

  constructor(post: (message: unknown[]) => void) {
    this.#post = post;
  }

  /** What a module is made of, as the node announced. */
  expect(url: string, files: readonly FileMark[]): void {
    this.#expected.set(url, files);
  }

  /**
   * What a module exports.
   *
   * @param module what users call it
   * @throws `FUNCTION_NOT_FOUND` when it is not there; `MODULE_FAILED` when it cannot be imported; `VERSION_MISMATCH`
   *   when it is not what was announced
   */
  async load(url: string, module = url): Promise<Record<string, unknown>> {
    if (this.#done.has(url)) return this.#import(url, module);
    const files = this.#expected.get(url) ?? [];
    const changed = this.#spoilt.get(url) ?? firstChanged(files);
    if (changed !== undefined) return this.#refuse(url, module, changed);
    this.#post([FromWorker.importing, module]);
    let exports: Record<string, unknown>;
    try {
      exports = await this.#import(url, module);
    } finally {
      this.#post([FromWorker.imported, module]);
    }
    const now = firstChanged(files);
    if (now !== undefined) {
      this.#spoilt.set(url, now);
      return this.#refuse(url, module, now);
    }
    this.#done.add(url);
    return exports;
  }

  async #import(url: string, module: string): Promise<Record<string, unknown>> {
    try {
      return (await import(url)) as Record<string, unknown>;
    } catch (cause) {
      const { moduleError } = await import('../../code/module-error.ts'); // rarely needed, and it needs much
      throw await moduleError(module, url, cause);
    }
  }

  async #refuse(url: string, module: string, path: string): Promise<never> {
    this.#post([FromWorker.changed, url, path]);
    const { changedError } = await import('../../code/module-error.ts');
    throw changedError(module, path);
  }
}
