/**
 * Which version of each module the threads of this host run: the version at first use. Threads compare what they import
 * with it, so that no two run different versions; other hosts compare it with theirs.
 *
 * ```
 *   first use ─► announced ─► a thread finds another version ─► refused: VERSION_MISMATCH ─► forgotten by reload
 * ```
 */
import { HandoffError } from '../../core/errors.ts';
import { messageOf } from '../../core/message-of.ts';
import { type FileMark, firstChanged } from './file-mark.ts';
import { type CodeIdentity, identify } from './identity.ts';
import { changedError } from './module-error.ts';

export class CodeVersions {
  readonly #identities = new Map<string, CodeIdentity>();
  /** Files of all modules. A file that two modules import must have one version. */
  readonly #files = new Map<string, FileMark>();
  /** Refused modules by URL, with the file that has changed. */
  readonly #changed = new Map<string, string>();
  #generation = 0;

  /** How many times `forget` was called. */
  get generation(): number {
    return this.#generation;
  }

  /**
   * The identity of a module on this host.
   *
   * @throws `VERSION_MISMATCH` when it has changed since its first use; `MODULE_FAILED` when it cannot be
   *   read; what the file system throws when it is missing
   */
  of(url: string): CodeIdentity {
    const changed = this.#changed.get(url);
    if (changed !== undefined) throw changedError(url, changed);
    let identity = this.#identities.get(url);
    if (identity === undefined) {
      identity = identified(url);
      const other = identity.files.find(({ path, content }) => (this.#files.get(path)?.content ?? content) !== content);
      if (other !== undefined) throw changedError(url, other.path); // threads have imported that file through another module
      this.#identities.set(url, identity);
      for (const file of identity.files) this.#files.set(file.path, file);
    }
    return identity;
  }

  /** Whether any module is refused. */
  get haveChanged(): boolean {
    return this.#changed.size > 0;
  }

  /** The files that a thread compares with its imports; empty for a module that this host has not used. */
  filesOf(url: string): readonly FileMark[] {
    return this.#identities.get(url)?.files ?? [];
  }

  /** Notes that a thread has found a changed file in a module. */
  change(url: string, path: string): void {
    this.#changed.set(url, path);
  }

  /** Compares all announced modules with the files on disk, because a new thread will import those. */
  verify(): void {
    for (const [url, { files }] of this.#identities) {
      if (this.#changed.has(url)) continue;
      const path = firstChanged(files);
      if (path !== undefined) this.#changed.set(url, path);
    }
  }

  /** Takes all modules as they are now. Every thread that has imported a module must have ended. */
  forget(): void {
    this.#identities.clear();
    this.#files.clear();
    this.#changed.clear();
    this.#generation++;
  }
}

function identified(url: string): CodeIdentity {
  try {
    return identify(url);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw cause; // its user says who misses it
    const why = code === 'EISDIR' ? 'it is a folder. Name a file in it, such as index.ts' : messageOf(cause);
    throw new HandoffError('MODULE_FAILED', `Module ${url} cannot be read: ${why}.`, { module: url, cause });
  }
}
