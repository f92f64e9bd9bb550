/**
 * The folder of this process for results that exceed the memory budget. It is removed when the process stops; if the
 * process dies, the next start on this machine removes it.
 */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { lstat, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { type FolderLock, isAbandoned, lockFolder } from './folder-lock.ts';

const prefix = 'handoff-spill-';

interface OwnFolder {
  readonly path: string;
  /** Undefined when the folder could not be locked. If this process then dies, the folder stays. */
  readonly lock: FolderLock | undefined;
}

export class SpillFolder {
  readonly #parent: string;
  readonly #cleaned: Promise<void>;
  #own: Promise<OwnFolder> | undefined;
  #path: string | undefined;
  #files = 0;

  /** @param parent holds the folders; those of dead processes are removed in the background, as far as possible */
  constructor(parent = tmpdir()) {
    this.#parent = parent;
    this.#cleaned = removeAbandoned(parent);
  }

  /** Its path; undefined before the first write. */
  get path(): string | undefined {
    return this.#path;
  }

  /** Resolves when the folders of dead processes are removed. */
  get cleaned(): Promise<void> {
    return this.#cleaned;
  }

  /**
   * Writes consecutive parts to a new file. A failed write leaves nothing behind.
   *
   * @returns the path of the file
   */
  async write(parts: readonly Uint8Array[]): Promise<string> {
    const { path } = await this.#folder();
    const file = join(path, String(++this.#files));
    try {
      await writeFile(file, parts, { mode: 0o600 });
    } catch (error) {
      await rm(file, { force: true }).catch(() => {});
      throw error;
    }
    return file;
  }

  /** Removes a file, if it exists. */
  async remove(file: string): Promise<void> {
    await rm(file, { force: true });
  }

  async stop(): Promise<void> {
    await this.#cleaned;
    const own = await this.#own?.catch(() => undefined);
    this.#own = this.#path = undefined;
    if (own === undefined) return;
    try {
      rmSync(own.path, { recursive: true, force: true });
    } catch {
      // a file in it is still open; the next start tries again
    }
    own.lock?.release();
  }

  /** Created at the first write, and again when it has disappeared, as when old temporary files are cleaned up. */
  #folder(): Promise<OwnFolder> {
    if (this.#own === undefined || (this.#path !== undefined && !existsSync(this.#path))) {
      const making = this.#make();
      this.#own = making;
      making.catch(() => {
        if (this.#own === making) this.#own = undefined; // the next write tries again
      });
    }
    return this.#own;
  }

  async #make(): Promise<OwnFolder> {
    this.#path = undefined;
    await mkdir(this.#parent, { recursive: true });
    const path = await mkdtemp(join(this.#parent, `${prefix}${machine()}-${process.pid}-`));
    this.#path = path;
    return { path, lock: await lockFolder(path).catch(() => undefined) };
  }
}

/** Removes folders of this user whose processes are dead. Errors are ignored. */
async function removeAbandoned(parent: string): Promise<void> {
  const names = await readdir(parent).catch(() => []); // the parent may not exist yet
  await Promise.all(
    names
      .filter((name) => name.startsWith(`${prefix}${machine()}-`))
      .map(async (name) => {
        const folder = join(parent, name);
        try {
          const stats = await lstat(folder);
          if (stats.isDirectory() && stats.uid === process.getuid?.() && (await isAbandoned(folder)))
            await rm(folder, { recursive: true, force: true });
        } catch {
          // it belongs to another user, or another start has just removed it
        }
      }),
  );
}

let name: string | undefined;

/**
 * Identifies the running kernel: where machines share a file system, only the same kernel knows whether a socket has a
 * listener. On Linux the name changes with every boot; older folders are left to the cleanup of the temporary
 * directory.
 */
function machine(): string {
  if (name !== undefined) return name;
  let id: string;
  try {
    id = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8');
  } catch {
    id = hostname();
  }
  return (name = process.getBuiltinModule('node:crypto').createHash('sha256').update(id).digest('hex').slice(0, 12));
}
