/**
 * The imports of a thread. It reports each before and after, so that a thread stuck in one can be found and ended. It
 * compares modules with the announced versions, so that no two threads run different ones.
 */
import { importCached } from '../../code/compile-cache.ts';
import { type FileMark, firstChanged } from '../../code/file-mark.ts';
import { FromThread } from '../wire.ts';

export class Imports {
  readonly #post: (message: unknown[]) => void;
  readonly #done = new Set<string>();
  /** Imports under way, by URL: concurrent functions wait for the same one. */
  readonly #underWay = new Map<string, Promise<Record<string, unknown>>>();
  readonly #expected = new Map<string, readonly FileMark[]>();
  /** Modules that changed during their import, so that the loaded version is undefined. */
  readonly #spoilt = new Map<string, string>();

  constructor(post: (message: unknown[]) => void) {
    this.#post = post;
  }

  /** Sets the files of a module, as the node announced them. */
  expect(url: string, files: readonly FileMark[]): void {
    this.#expected.set(url, files);
  }

  /**
   * The exports of a module.
   *
   * @param module the name users gave
   * @throws `FUNCTION_NOT_FOUND` when it is missing; `MODULE_FAILED` when the import fails; `VERSION_MISMATCH` when
   *   it differs from what was announced
   */
  load(url: string, module = url): Promise<Record<string, unknown>> {
    if (this.#done.has(url)) return this.#import(url, module);
    let loading = this.#underWay.get(url);
    if (loading === undefined) {
      loading = this.#loadFirst(url, module).finally(() => this.#underWay.delete(url));
      this.#underWay.set(url, loading);
    }
    return loading;
  }

  async #loadFirst(url: string, module: string): Promise<Record<string, unknown>> {
    const files = this.#expected.get(url) ?? [];
    const changed = this.#spoilt.get(url) ?? firstChanged(files);
    if (changed !== undefined) return this.#refuse(url, module, changed);
    this.#post([FromThread.importing, module]);
    let exports: Record<string, unknown>;
    try {
      const names = [url, ...files.map(({ path }) => path)];
      exports = await importCached(names, () => this.#import(url, module));
    } finally {
      this.#post([FromThread.imported, module]);
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
      const { moduleError } = await import('../../code/module-error.ts'); // rarely needed, and large
      throw await moduleError(module, url, cause);
    }
  }

  async #refuse(url: string, module: string, path: string): Promise<never> {
    this.#post([FromThread.changed, url, path]);
    const { changedError } = await import('../../code/module-error.ts');
    throw changedError(module, path);
  }
}
