#!/usr/bin/env node
/** The command `handoff`. stdout carries results, stderr everything else. */
import { describeError, exitCodeOf, ExitCode } from './exit.ts';
import { claimStdout, written } from './output/stdout.ts';
import { perform } from './perform.ts';

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

const exitCode = await main(process.argv);
process.exitCode = exitCode;
// A handle that the DAG's module left open must not keep a finished command alive. Flush stderr before the exit.
process.stderr.write('', () => process.exit(exitCode));
