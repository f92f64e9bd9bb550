/** Traces that commands read. */
import { readFileSync } from 'node:fs';
import { NotATrace, readTrace, type TracedRun } from '../report/trace-file.ts';
import { UsageError } from './exit.ts';

/** @throws `UsageError` when the file cannot be read, or is not a trace */
export function readTraceFile(file: string): TracedRun {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new UsageError(`${file} cannot be read: ${(error as Error).message}.`);
  }
  try {
    return readTrace(text);
  } catch (error) {
    if (error instanceof NotATrace)
      throw new UsageError(
        `${file} is not a trace of a run: ${error.message}. Write one with handoff run pipeline.ts --trace FILE.`,
      );
    throw error;
  }
}
