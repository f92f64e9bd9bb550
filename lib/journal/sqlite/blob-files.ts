/** Large results as files, named by the hash of their bytes. */
import { createHash } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { wallClock } from '../wall-clock.ts';

export class BlobFiles {
  readonly #folder: string;
  readonly #isSynced: boolean;
  #drafts = 0;

  constructor(folder: string, isSynced: boolean) {
    this.#folder = folder;
    this.#isSynced = isSynced;
  }

  async put(hash: string, bytes: Uint8Array): Promise<void> {
    const file = this.#file(hash);
    if ((await stat(file).catch(() => undefined))?.size === bytes.length) return;
    const folder = join(this.#folder, hash.slice(0, 2));
    await mkdir(folder, { recursive: true });
    const draft = `${file}.${process.pid}-${++this.#drafts}.new`;
    const handle = await open(draft, 'wx');
    try {
      await handle.writeFile(bytes);
      if (this.#isSynced) await handle.sync();
      await handle.close();
      await rename(draft, file);
    } catch (error) {
      await handle.close().catch(() => {});
      await rm(draft, { force: true }).catch(() => {});
      throw error;
    }
  }

  /** Undefined when there is no such file, or its content has changed. */
  async get(hash: string): Promise<Uint8Array | undefined> {
    const bytes = await readFile(this.#file(hash)).catch(() => undefined);
    return bytes !== undefined && createHash('sha256').update(bytes).digest('hex') === hash ? bytes : undefined;
  }

  async delete(hash: string): Promise<void> {
    await rm(this.#file(hash), { force: true });
  }

  /** Removes what a writer that died left behind. */
  async sweep(): Promise<void> {
    const old = wallClock() - 3_600_000;
    for (const name of await readdir(this.#folder, { recursive: true }).catch(() => [])) {
      if (!name.endsWith('.new')) continue;
      const file = join(this.#folder, name);
      if (((await stat(file).catch(() => undefined))?.mtimeMs ?? Infinity) < old) await rm(file, { force: true });
    }
  }

  #file(hash: string): string {
    return join(this.#folder, hash.slice(0, 2), hash);
  }
}
