/** A file that a command was asked to write. */
import { accessSync, constants, lstatSync, realpathSync, rmSync, statSync } from 'node:fs';
import { chmod, open, rename } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { nanoid } from 'nanoid';
import { OutputError, UsageError } from './exit.ts';

/** Where the bytes go first, and what they replace then. */
interface Target {
  /** The file itself, where the path is a link. */
  readonly file: string;
  /** Undefined: the file is written in place, as a device or a pipe must be. */
  readonly draft: string | undefined;
  /** Permissions of a file that is replaced. */
  readonly mode: number | undefined;
}

/**
 * Checks at once that the file can be written, not after hours of work. The path holds the whole new file or what it held before, whatever
 * ends the command: the bytes go to a file beside it, which then takes its name.
 */
export class OutputFile {
  readonly #flag: string;
  readonly #path: string;
  readonly #target: Target;
  readonly #onExit = (): void => this.close();
  #state: 'unused' | 'writing' | 'over' = 'unused';

  /**
   * @param flag that named it
   * @throws `UsageError` naming the flag, the file and why it cannot be written
   */
  constructor(flag: string, path: string) {
    this.#flag = flag;
    this.#path = path;
    try {
      this.#target = locate(path);
    } catch (error) {
      throw new UsageError(this.#refusal(error));
    }
    process.on('exit', this.#onExit);
  }

  /**
   * @param content whole, or a piece at a time
   * @throws `OutputError` naming the flag, the file and why it cannot be written
   */
  async write(content: string | Iterable<string>): Promise<void> {
    this.#state = 'writing';
    const { file, draft, mode } = this.#target;
    try {
      // A device, /dev/stdout among them, is appended to: what it has taken already stays.
      const handle = await open(draft ?? file, draft !== undefined ? 'wx' : isDevice(file) ? 'a' : 'w');
      try {
        await handle.writeFile(content);
        if (draft !== undefined) await handle.sync(); // some file systems tell only now that they are full
      } finally {
        await handle.close();
      }
      if (draft !== undefined) {
        if (mode !== undefined) await chmod(draft, mode);
        await rename(draft, file);
      }
      this.#state = 'over';
    } catch (error) {
      throw new OutputError(this.#refusal(error));
    } finally {
      this.close();
    }
  }

  /** Removes what was begun. A file of before that nothing was written into is named, so that it is not taken for the new one. */
  close(): void {
    process.off('exit', this.#onExit);
    const { file, draft } = this.#target;
    if (this.#state === 'writing' && draft !== undefined) rmSync(draft, { force: true });
    if (this.#state === 'unused' && hasContent(file)) process.stderr.write(`${this.#flag}: nothing was written; what ${this.#path} holds is of before.\n`);
    this.#state = 'over';
  }

  #refusal(error: unknown): string {
    return `${this.#flag}: ${this.#path} cannot be written: ${(error as Error).message}.`;
  }
}

/** @throws what the file system has against writing there */
function locate(path: string): Target {
  const stats = statSync(path, { throwIfNoEntry: false });
  const isLink = lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true;
  if (stats?.isDirectory() === true) throw new Error('it is a directory');
  if (stats !== undefined) accessSync(path, constants.W_OK);
  const isPlain = stats === undefined ? !isLink : stats.isFile() && !isDevice(path);
  if (!isPlain) return { file: path, draft: undefined, mode: undefined };
  const file = stats === undefined ? resolve(path) : realpathSync(path);
  try {
    accessSync(dirname(file), constants.W_OK | constants.X_OK);
  } catch (error) {
    if (stats === undefined) throw error;
    return { file, draft: undefined, mode: undefined }; // it may be written, but not replaced
  }
  return { file, draft: join(dirname(file), `.handoff-${nanoid()}.tmp`), mode: stats?.mode };
}

/** Of these paths some are links to files that other descriptors have open: they must not be replaced. */
function isDevice(path: string): boolean {
  return /^\/(?:dev|proc)\//.test(resolve(path));
}

/** A device holds nothing. */
function hasContent(path: string): boolean {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats !== undefined && stats.isFile() && stats.size > 0;
}
