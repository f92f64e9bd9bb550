/**
 * Shows other processes that an owner lives: a lock on a small database file, which the kernel releases when the process
 * dies, however it dies. Unlike a process id, this also holds between containers that share the folder.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { sqlite } from './sqlite-module.ts';

export class OwnerLock {
  readonly owner = `${hostname()}-${process.pid}-${randomBytes(4).toString('hex')}`;
  readonly #folder: string;
  readonly #lock: DatabaseSync;

  /** @param folder of the journal */
  constructor(folder: string) {
    this.#folder = join(folder, 'owners');
    mkdirSync(this.#folder, { recursive: true });
    this.#sweep();
    this.#lock = new (sqlite().DatabaseSync)(this.#file(this.owner));
    this.#lock.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
  }

  /** Whether the process of an owner lives. */
  lives(owner: string): boolean {
    if (owner === this.owner) return true;
    return existsSync(this.#file(owner)) && isLocked(this.#file(owner));
  }

  release(): void {
    this.#lock.close();
    rmSync(this.#file(this.owner), { force: true });
  }

  #file(owner: string): string {
    return join(this.#folder, `${owner}.lock`);
  }

  /** Removes the files of dead owners. One that is removed too early would only be made again. */
  #sweep(): void {
    for (const name of readdirSync(this.#folder)) {
      const file = join(this.#folder, name);
      if (name.endsWith('.lock') && !isLocked(file)) rmSync(file, { force: true });
    }
  }
}

/** Whether a process holds the lock of a file. */
function isLocked(file: string): boolean {
  let database: DatabaseSync | undefined;
  try {
    database = new (sqlite().DatabaseSync)(file, { readOnly: false });
    database.exec('PRAGMA busy_timeout = 0; BEGIN IMMEDIATE; ROLLBACK');
    return false;
  } catch {
    return true; // busy, or unknown, which counts as alive
  } finally {
    database?.close();
  }
}
