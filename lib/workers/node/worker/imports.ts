/** Modules that a thread imports: told before and after, so that a thread that is stuck in one can be found and ended. */
import { FromWorker } from '../wire.ts';

export class Imports {
  readonly #post: (message: unknown[]) => void;
  readonly #done = new Set<string>();

  constructor(post: (message: unknown[]) => void) {
    this.#post = post;
  }

  /**
   * What a module exports.
   *
   * @param module what users call it
   * @throws `FUNCTION_NOT_FOUND` when it is not there; `MODULE_FAILED` when it cannot be imported
   */
  async load(url: string, module = url): Promise<Record<string, unknown>> {
    const isNew = !this.#done.has(url);
    if (isNew) this.#post([FromWorker.importing, module]);
    try {
      return (await import(url)) as Record<string, unknown>;
    } catch (cause) {
      const { moduleError } = await import('../../code/module-error.ts'); // rarely needed, and it needs much
      throw await moduleError(module, url, cause);
    } finally {
      this.#done.add(url);
      if (isNew) this.#post([FromWorker.imported, module]);
    }
  }
}
