/** What a command line asks for, from its parsing to the exit code; the process around it is `main.ts`. */
import { CommanderError } from 'commander';
import { describeError, exitCodeOf, ExitCode } from './exit.ts';
import { createProgram } from './program.ts';

/**
 * Carries out a command, and prints its error if it fails.
 *
 * @param argv as in `process.argv`: the arguments come third
 * @returns the exit code
 */
export async function perform(argv: readonly string[]): Promise<number> {
  let code: number = ExitCode.done;
  try {
    await createProgram((result) => (code = result)).parseAsync(argv);
    return code;
  } catch (error) {
    // Commander has printed it.
    if (error instanceof CommanderError) return error.exitCode === 0 ? ExitCode.done : ExitCode.wrongUsage;
    process.stderr.write(`${describeError(error)}\n`);
    return exitCodeOf(error);
  }
}
