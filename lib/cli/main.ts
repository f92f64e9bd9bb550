#!/usr/bin/env node
/** The command `handoff`. stdout is results, stderr everything else. */
import { CommanderError } from 'commander';
import { describeError, exitCodeOf, ExitCode } from './exit.ts';
import { createProgram } from './program.ts';
import { claimStdout, written } from './stdout.ts';

async function main(argv: readonly string[]): Promise<number> {
  process.stderr.on('error', () => {}); // progress that nobody reads is no reason to lose results
  claimStdout();
  let code = await perform(argv);
  try {
    await written();
  } catch (error) {
    process.stderr.write(`${describeError(error)}\n`);
    if (code === ExitCode.done) code = exitCodeOf(error);
  }
  return code;
}

async function perform(argv: readonly string[]): Promise<number> {
  let code: number = ExitCode.done;
  try {
    await createProgram((result) => (code = result)).parseAsync(argv);
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? ExitCode.done : ExitCode.wrongUsage; // commander has said it
    process.stderr.write(`${describeError(error)}\n`);
    return exitCodeOf(error);
  }
}

const exitCode = await main(process.argv);
process.exitCode = exitCode;
// Whatever the DAG's module has left open must not keep a finished command alive; what was said must get out first.
process.stderr.write('', () => process.exit(exitCode));
