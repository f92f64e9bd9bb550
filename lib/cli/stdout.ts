/** stdout carries results only. Whatever else is written to it, such as by the DAG's module, goes to stderr. */
import { fstatSync, writeSync } from 'node:fs';
import { isatty } from 'node:tty';
import { OutputError } from './exit.ts';

const fd = 1;
const write = process.stdout.write.bind(process.stdout);

let failure: NodeJS.ErrnoException | undefined;

/**
 * Reserves stdout for `print`: what others write to it, `console.log` among it, goes to stderr from now on. Call it before code of the user
 * is imported.
 */
export function claimStdout(): void {
  // Without a listener a failed write would end the process with a stack.
  process.stdout.on('error', (error) => (failure ??= error));
  // Looked up at each call: the progress view replaces the method of stderr.
  process.stdout.write = ((...args: Parameters<typeof write>) => process.stderr.write(...args)) as typeof write;
}

/** Writes a result, with a line end. After a failure nothing more is written: see `written`. */
export function print(text: string): void {
  if (failure !== undefined) return;
  const line = text.endsWith('\n') ? text : `${text}\n`;
  if (!isFile()) return void write(line);
  try {
    writeWhole(Buffer.from(line));
  } catch (error) {
    failure = error as NodeJS.ErrnoException;
  }
}

/**
 * Resolves when everything that was printed is written. A reader that stops early, as `head` does, is no failure.
 *
 * @throws `OutputError` when something could not be written
 */
export async function written(): Promise<void> {
  if (failure === undefined && !isFile()) {
    const error = await new Promise<Error | null | undefined>((resolve) => void write('', resolve));
    if (error) failure ??= error;
  }
  if (failure !== undefined && failure.code !== 'EPIPE') throw new OutputError(`stdout: the results cannot be written: ${failure.message}.`);
}

/** A file or a device without a terminal. Node's stream would take a short write to one as a whole one. */
function isFile(): boolean {
  const stats = fstatSync(fd);
  return stats.isFile() || (stats.isCharacterDevice() && !isatty(fd));
}

function writeWhole(bytes: Uint8Array): void {
  for (let from = 0; from < bytes.byteLength;) from += writeSync(fd, bytes, from);
}
