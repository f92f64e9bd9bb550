/** A file that a command was asked to write. */
import { closeSync, openSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { UsageError } from './exit.ts';

/**
 * Makes sure at once that the file can be written, not after hours of work; one that is there stays as it is until something is written.
 * Whatever ends the command before that, by `close` or by the end of the process, no empty file is left, and no file of before is taken for
 * one of now.
 */
export class OutputFile {
  readonly #flag: string;
  readonly #path: string;
  readonly #isNew: boolean;
  readonly #onExit = (): void => this.close();
  #isUsed = false;

  /**
   * @param flag that named it
   * @throws `UsageError` naming the flag, the file and why it cannot be written
   */
  constructor(flag: string, path: string) {
    this.#flag = flag;
    this.#path = path;
    this.#isNew = this.#open();
    process.on('exit', this.#onExit);
  }

  /** @throws `UsageError` naming the flag, the file and why not */
  write(text: string): void {
    this.#isUsed = true;
    try {
      writeFileSync(this.#path, text);
    } catch (error) {
      throw this.#refused(error);
    }
  }

  /**
   * Has it be written by somebody else.
   *
   * @param write given its path
   */
  async writeBy(write: (path: string) => Promise<void>): Promise<void> {
    this.#isUsed = true;
    await write(this.#path);
  }

  /** Of a file that nothing was written into: removes it if it is new, or else says that it is of before. */
  close(): void {
    process.off('exit', this.#onExit);
    if (this.#isUsed) return;
    this.#isUsed = true;
    if (this.#isNew) rmSync(this.#path, { force: true });
    else if (hasContent(this.#path)) process.stderr.write(`${this.#flag}: nothing was written; what ${this.#path} holds is of before.\n`);
  }

  /** Whether it was not there. */
  #open(): boolean {
    try {
      closeSync(openSync(this.#path, 'wx'));
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw this.#refused(error);
    }
    try {
      closeSync(openSync(this.#path, 'a'));
      return false;
    } catch (error) {
      throw this.#refused(error);
    }
  }

  #refused(error: unknown): UsageError {
    return new UsageError(`${this.#flag}: ${this.#path} cannot be written: ${(error as Error).message}.`);
  }
}

/** Not of a device, which holds nothing. */
function hasContent(path: string): boolean {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats !== undefined && stats.isFile() && stats.size > 0;
}
