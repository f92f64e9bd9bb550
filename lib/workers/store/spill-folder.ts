/** Where results go for which memory has no room: a folder of this process, which goes when it stops, or when another starts after its death. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const prefix = 'handoff-spill-';

export class SpillFolder {
  readonly #parent: string;
  #path: string | undefined;
  #files = 0;

  /** @param parent where folders are made */
  constructor(parent = tmpdir()) {
    this.#parent = parent;
    removeOrphans(parent);
  }

  /** Its path; undefined while nothing was written. */
  get path(): string | undefined {
    return this.#path;
  }

  /** Writes bytes, one part after the other, to a file of their own; gives its path. */
  async write(parts: readonly Uint8Array[]): Promise<string> {
    if (this.#path === undefined) {
      mkdirSync(this.#parent, { recursive: true });
      this.#path = mkdtempSync(join(this.#parent, `${prefix}${process.pid}-`));
    }
    const file = join(this.#path, String(++this.#files));
    await writeFile(file, parts, { mode: 0o600 });
    return file;
  }

  /** Removes a file; whether it was there is no matter. */
  async remove(file: string): Promise<void> {
    await rm(file, { force: true });
  }

  stop(): void {
    if (this.#path !== undefined) rmSync(this.#path, { recursive: true, force: true });
    this.#path = undefined;
  }
}

/** Removes folders of processes that are gone and could not do it themselves. */
function removeOrphans(parent: string): void {
  let names: string[];
  try {
    names = readdirSync(parent);
  } catch {
    return; // there is no such folder yet
  }
  for (const name of names) {
    const pid = name.startsWith(prefix) ? Number.parseInt(name.slice(prefix.length), 10) : NaN;
    if (!Number.isNaN(pid) && pid !== process.pid && !isAlive(pid)) rmSync(join(parent, name), { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as { code?: unknown }).code === 'EPERM'; // somebody else's
  }
}
