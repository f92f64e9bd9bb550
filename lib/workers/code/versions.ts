/**
 * The code that threads of this host run: what each module was when it was first asked for. Threads compare what they
 * import with it, so that no two of them run different versions; other hosts compare it with theirs.
 *
 * ```
 *   first use ─► announced ─► a thread finds another version ─► refused: VERSION_MISMATCH ─► forgotten by reload
 * ```
 */
import { type FileMark, firstChanged } from './file-mark.ts';
import { type CodeIdentity, identify } from './identity.ts';
import { changedError } from './module-error.ts';

export class CodeVersions {
  readonly #identities = new Map<string, CodeIdentity>();
  /** Files of all of them: a file that two modules import is the same to both. */
  readonly #files = new Map<string, FileMark>();
  /** Modules that are refused, by URL, and the file that has changed. */
  readonly #changed = new Map<string, string>();
  #generation = 0;

  constructor() {
    // While threads start there is time to load it; the first run then has it.
    setImmediate(() => process.getBuiltinModule('node:crypto')).unref();
  }

  /** How often everything was forgotten. */
  get generation(): number {
    return this.#generation;
  }

  /**
   * What a module is, to all of this host.
   *
   * @throws `VERSION_MISMATCH` when it is not any more what it was; what the file system throws when it cannot be read
   */
  of(url: string): CodeIdentity {
    const changed = this.#changed.get(url);
    if (changed !== undefined) throw changedError(url, changed);
    let identity = this.#identities.get(url);
    if (identity === undefined) {
      identity = identify(url);
      const other = identity.files.find(({ path, hash }) => (this.#files.get(path)?.hash ?? hash) !== hash);
      if (other !== undefined) throw changedError(url, other.path); // threads have imported it with another module
      this.#identities.set(url, identity);
      for (const file of identity.files) this.#files.set(file.path, file);
    }
    return identity;
  }

  /** Whether any module is refused. */
  get haveChanged(): boolean {
    return this.#changed.size > 0;
  }

  /** What a thread compares with what it imports; nothing of a module that was not asked for. */
  filesOf(url: string): readonly FileMark[] {
    return this.#identities.get(url)?.files ?? [];
  }

  /** A thread has found that a file of a module is not what it was. */
  change(url: string, path: string): void {
    this.#changed.set(url, path);
  }

  /** Compares all that was announced with what there is, as a new thread will import that. */
  verify(): void {
    for (const [url, { files }] of this.#identities) {
      if (this.#changed.has(url)) continue;
      const path = firstChanged(files);
      if (path !== undefined) this.#changed.set(url, path);
    }
  }

  /** From now on modules are what they are now. Threads that have imported anything must have ended. */
  forget(): void {
    this.#identities.clear();
    this.#files.clear();
    this.#changed.clear();
    this.#generation++;
  }
}
