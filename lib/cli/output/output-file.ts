/** A file that a flag asks the command to write. */
import { accessSync, constants, lstatSync, realpathSync, rmSync, statSync } from 'node:fs';
import { chmod, open, rename } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { nanoid } from 'nanoid';
import { OutputError, UsageError } from '../exit.ts';

/** Where the bytes are written first, and which file they then replace. */
interface Target {
  /** The real file if the path is a link. */
  readonly file: string;
  /** Undefined if the file is written in place, as devices and pipes require. */
  readonly draft: string | undefined;
  /** Permissions of the file that is replaced. */
  readonly mode: number | undefined;
}

/**
 * Checks before the run that the file can be written. The bytes go to a draft beside the file, which is then renamed:
 * whatever ends the command, the path holds either the whole new file or its old content.
 */
export class OutputFile {
  readonly #flag: string;
  readonly #path: string;
  readonly #target: Target;
  readonly #onExit = (): void => this.close();
  #state: 'unused' | 'writing' | 'over' = 'unused';

  /**
   * @param flag that named the file
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

  /** @throws `UsageError` if another flag names the same file, so that only one of both would be there in the end */
  refuseSame(other: OutputFile): void {
    const { file, draft } = this.#target;
    if (draft !== undefined && file === other.#target.file)
      throw new UsageError(`${other.#flag} and ${this.#flag} name the same file ${this.#path}. Give each its own.`);
  }

  /**
   * @param content whole, or a piece at a time
   * @throws `OutputError` naming the flag, the file and why it cannot be written
   */
  async write(content: string | Iterable<string>): Promise<void> {
    this.#state = 'writing';
    const { file, draft, mode } = this.#target;
    try {
      // Append to a device (such as /dev/stdout), so that its earlier content stays.
      const handle = await open(draft ?? file, draft !== undefined ? 'wx' : isDevice(file) ? 'a' : 'w');
      try {
        await handle.writeFile(content);
        if (draft !== undefined) await handle.sync(); // some file systems report only here that they are full
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

  /** Removes the draft. If nothing was written, warns that the file still holds its old content. */
  close(): void {
    process.off('exit', this.#onExit);
    const { file, draft } = this.#target;
    if (this.#state === 'writing' && draft !== undefined) rmSync(draft, { force: true });
    if (this.#state === 'unused' && hasContent(file))
      process.stderr.write(`${this.#flag}: nothing was written; ${this.#path} still holds its old content.\n`);
    this.#state = 'over';
  }

  #refusal(error: unknown): string {
    return `${this.#flag}: ${this.#path} cannot be written: ${(error as Error).message}.`;
  }
}

/** @throws the file system's error if the path cannot be written */
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
    return { file, draft: undefined, mode: undefined }; // the folder does not allow a rename, so write in place
  }
  return { file, draft: join(dirname(file), `.handoff-${nanoid()}.tmp`), mode: stats?.mode };
}

/** Some of these paths link to files that other descriptors have open, so they must not be replaced. */
function isDevice(path: string): boolean {
  return /^\/(?:dev|proc)\//.test(resolve(path));
}

/** False for a device. */
function hasContent(path: string): boolean {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats !== undefined && stats.isFile() && stats.size > 0;
}
