#!/usr/bin/env node
/** The command `handoff`. stdout is results, stderr everything else. */
import { createRequire } from 'node:module';
import { Command, CommanderError } from 'commander';
import { describeError, exitCodeOf, ExitCode } from './exit.ts';
import { formats, graph } from './graph.ts';
import { plan } from './plan.ts';
import { run } from './run.ts';

const { version } = createRequire(import.meta.url)('../../package.json') as { version: string };

const examples = `
Examples:
  $ handoff run pipeline.ts                          run the DAG that the module exports
  $ handoff run pipeline.ts --nodes 'a:cpu=2;b:cpu=1,gpu=1' --strategy load-balanced
  $ handoff run pipeline.ts --json --trace run.json  results as JSON; the trace opens in Perfetto
  $ handoff plan pipeline.ts                         what would run where and when
  $ handoff graph pipeline.ts --format svg > dag.svg

<file> is a module whose default export is a DAG, or a function that gives one; what follows -- is passed to it.

Exit codes:
  0    done
  1    a function failed
  2    wrong usage, or a graph that is not valid
  130  ended by Ctrl-C (SIGINT); the first lets running functions finish, the second ends at once
  143  ended by SIGTERM, likewise
`;

function build(done: (code: number) => void): Command {
  const program = new Command('handoff')
    .description('Runs DAGs of functions in parallel on worker threads.')
    .version(version)
    .showHelpAfterError('(handoff --help tells what there is)')
    .addHelpText('after', examples)
    .exitOverride();
  const nodes = ["--nodes <nodes>", "nodes of this host, as 'a:cpu=2,memory=4000;b:cpu=1'; default: one with all of the machine"] as const;
  const strategy = ['--strategy <name>', "how functions are placed: 'first-available' or 'load-balanced'"] as const;
  program.command('run').description('run the DAG of a module and print its results')
    .argument('<file>').argument('[args...]', 'passed to the function that the module exports')
    .option(...nodes).option(...strategy)
    .option('--progress', 'progress on stderr: a bar on a terminal, lines elsewhere (default)', true)
    .option('--no-progress', 'no progress')
    .option('--json', 'results, allocations and statistics as JSON')
    .option('--trace <file>', 'write Chrome trace events, which Perfetto opens')
    .option('--summary <file>', 'write what happened as JSON')
    .action(async (file: string, args: string[], flags: Parameters<typeof run>[2]) => done(await run(file, args, flags)));
  program.command('plan').description('tell what would run where and when, by the durations that functions declare; run nothing')
    .argument('<file>').argument('[args...]', 'passed to the function that the module exports')
    .option(...nodes).option(...strategy)
    .option('--json', 'the plan as JSON')
    .action(async (file: string, args: string[], flags: Parameters<typeof plan>[2]) => done(await plan(file, args, flags)));
  program.command('graph').description('draw the DAG of a module')
    .argument('<file>').argument('[args...]', 'passed to the function that the module exports')
    .option('--format <format>', formats.join(', '), 'mermaid')
    .action(async (file: string, args: string[], flags: { format: string }) => done(await graph(file, args, flags)));
  return program;
}

async function main(argv: readonly string[]): Promise<number> {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(ExitCode.done); // whoever reads may stop early: `handoff graph … | head` is no failure
    process.stderr.write(`The results cannot be written: ${error.message}.\n`);
    process.exit(ExitCode.functionFailed);
  });
  process.stderr.on('error', () => {}); // progress that nobody reads is no reason to lose results
  let code: number = ExitCode.done;
  try {
    await build((result) => (code = result)).parseAsync(argv);
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? ExitCode.done : ExitCode.wrongUsage; // commander has said it
    process.stderr.write(`${describeError(error)}\n`);
    return exitCodeOf(error);
  }
}

const exitCode = await main(process.argv);
// Whatever the DAG's module has left open must not keep a finished command alive; what was written must get out first.
process.exitCode = exitCode;
process.stdout.write('', () => process.stderr.write('', () => process.exit(exitCode)));
