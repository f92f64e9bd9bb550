#!/usr/bin/env node
/** The command `handoff`. stdout carries results, stderr everything else. */
import { CommanderError } from 'commander';
import { describeError, exitCodeOf, ExitCode } from './exit.ts';
import { createProgram } from './program.ts';
import { claimStdout, written } from './output/stdout.ts';

async function main(argv: readonly string[]): Promise<number> {
  process.stderr.on('error', () => {}); // a closed stderr must not lose results
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
    // Commander has printed it.
    if (error instanceof CommanderError) return error.exitCode === 0 ? ExitCode.done : ExitCode.wrongUsage;
    process.stderr.write(`${describeError(error)}\n`);
    return exitCodeOf(error);
  }
}

const exitCode = await main(process.argv);
process.exitCode = exitCode;
// A handle that the DAG's module left open must not keep a finished command alive. Flush stderr before the exit.
process.stderr.write('', () => process.exit(exitCode));
