/**
 * stdout carries results only. Everything else that is written to it, such as prints of the DAG's module, goes to
 * stderr.
 */
import { fstatSync, writeSync } from 'node:fs';
import { isatty } from 'node:tty';
import { OutputError } from '../exit.ts';

const fd = 1;
const write = process.stdout.write.bind(process.stdout);

let failure: NodeJS.ErrnoException | undefined;

/**
 * Reserves stdout for `print`: from now on, other writes (such as `console.log`) go to stderr. Call it before user code
 * is imported.
 */
export function claimStdout(): void {
  // Without a listener a failed write would end the process with a stack trace.
  process.stdout.on('error', (error) => (failure ??= error));
  // The method is looked up at each call, because the progress view replaces it.
  process.stdout.write = ((...args: Parameters<typeof write>) => process.stderr.write(...args)) as typeof write;
}

/** Writes a result and a line end. After a failed write it does nothing; `written` reports the failure. */
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
 * Resolves when everything printed is written. A reader that stops early, such as `head`, is not a failure.
 *
 * @throws `OutputError` if something could not be written
 */
export async function written(): Promise<void> {
  if (failure === undefined && !isFile()) {
    const error = await new Promise<Error | null | undefined>((resolve) => void write('', resolve));
    if (error) failure ??= error;
  }
  if (failure !== undefined && failure.code !== 'EPIPE')
    throw new OutputError(`stdout: the results cannot be written: ${failure.message}.`);
}

/** Whether stdout is a file or a non-terminal device. For these, Node's stream takes a short write for a whole one. */
function isFile(): boolean {
  const stats = fstatSync(fd);
  return stats.isFile() || (stats.isCharacterDevice() && !isatty(fd));
}

function writeWhole(bytes: Uint8Array): void {
  for (let from = 0; from < bytes.byteLength;) from += writeSync(fd, bytes, from);
}
