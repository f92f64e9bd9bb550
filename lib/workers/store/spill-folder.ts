/**
 * Where results go for which memory has no room: a folder of this process. It goes when the process stops, or when
 * another starts after its death.
 */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { lstat, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { type FolderLock, isAbandoned, lockFolder } from './folder-lock.ts';

const prefix = 'handoff-spill-';

interface OwnFolder {
  readonly path: string;
  /** Undefined where it could not be locked. Then nobody removes the folder after a death of this process. */
  readonly lock: FolderLock | undefined;
}

export class SpillFolder {
  readonly #parent: string;
  readonly #cleaned: Promise<void>;
  #own: Promise<OwnFolder> | undefined;
  #path: string | undefined;
  #files = 0;

  /**
   * @param parent where folders are made; those of dead processes there are removed meanwhile, as far as that can be
   * done
   */
  constructor(parent = tmpdir()) {
    this.#parent = parent;
    this.#cleaned = removeAbandoned(parent);
  }

  /** Its path; undefined while nothing was written. */
  get path(): string | undefined {
    return this.#path;
  }

  /** Resolves when what others left behind is removed. */
  get cleaned(): Promise<void> {
    return this.#cleaned;
  }

  /**
   * Writes bytes, one part after the other, to a file of their own; gives its path. After a failure nothing of them is
   * left.
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

  /** Removes a file; whether it was there is no matter. */
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
      // somebody holds something in it; the next start tries again
    }
    own.lock?.release();
  }

  /** Made at the first write, and again after it is gone, as when old files of a temporary directory are removed. */
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

/**
 * Removes folders of this user whose processes are gone and could not do it themselves. Whatever cannot be removed
 * stays.
 */
async function removeAbandoned(parent: string): Promise<void> {
  const names = await readdir(parent).catch(() => []); // there may be no such folder yet
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
          // somebody else's, or removed by another start at the same time
        }
      }),
  );
}

let name: string | undefined;

/**
 * A name for the kernel that runs this process: it alone knows who listens to a socket, where machines share a file
 * system. Linux has a new one after each boot. Folders of before it are left to whatever empties the temporary
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
