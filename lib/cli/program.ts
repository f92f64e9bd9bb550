/** The commands and their flags. The code of a command is imported on use, so that help is fast. */
import { Argument, Command, Option } from 'commander';
import { packageVersion } from '../core/package-files.ts';
import { strategyNames } from '../scheduling/allocation/allocator.ts';
import { doubtPolicies, failurePolicies, formats, logModes, runStates } from './choices.ts';
import type { HandoffFlags } from './flags.ts';
import type { JournalFlags, ResumeFlags, RunsFlags, SubmitFlags } from './journal.ts';
import type { CacheFlags } from './cache.ts';
import type { ClusterNodesFlags } from './cluster.ts';
import { completionScript, shells } from './completion.ts';
import type { DashboardCommandFlags } from './dashboard.ts';
import type { GraphFlags } from './graph.ts';
import type { NodeFlags } from './node.ts';
import type { PlanFlags } from './plan.ts';
import type { PlotFlags } from './plot.ts';
import type { RunFlags } from './run.ts';
import { print } from './stdout.ts';

const examples = `
Examples:
  $ handoff init my-pipeline                         write a project to begin with
  $ handoff run pipeline.ts                          run the DAG that the module exports
  $ handoff run pipeline.ts --nodes 'a:cpu=2;b:cpu=1,gpu=1' --strategy load-balanced
  $ handoff run pipeline.ts --json --trace run.json  results as JSON; the trace opens in Perfetto
  $ handoff plan pipeline.ts                         print the schedule
  $ handoff plot run.json > run.svg                  draw the run
  $ handoff graph pipeline.ts --plan --format svg > dag.svg
  $ source <(handoff completion bash)                tab completion; zsh and fish work alike

Several hosts:
  $ handoff node --listen 127.0.0.1:7420 --name a                         a host that offers its nodes
  $ handoff node --listen 127.0.0.1:7421 --name b --join 127.0.0.1:7420   a second host
  $ handoff nodes --join 127.0.0.1:7420                                   list the nodes
  $ handoff dashboard --join 127.0.0.1:7420                               show their work in a browser
  $ handoff run pipeline.ts --join 127.0.0.1:7420                         run on all of them
  $ handoff node --nats nats://127.0.0.1:4222 --name a                    the same through a NATS server, without addresses

<file> is a module whose default export is a DAG, or a function that returns one. Arguments after -- are passed to it.

Flags override HANDOFF_ variables, which override handoff.config.ts (.mts, .js, .mjs). Its default export is options of Handoff.start.
The secret of a cluster is never a flag: use HANDOFF_SECRET, HANDOFF_SECRET_FILE or --secret-file. The same holds for the token of a
dashboard: use HANDOFF_DASHBOARD_TOKEN or --token-file.

Exit codes:
  0    done
  1    a function failed, no host answered, or an output cannot be written
  2    wrong usage, an invalid graph, or a secret or code that differs from the cluster's
  130  ended by Ctrl-C (SIGINT): the first lets running functions finish, the second ends at once
  143  ended by SIGTERM; 129 by SIGHUP, when the terminal is closed
`;

/** @param done receives the exit code of the command */
export function createProgram(done: (code: number) => void): Command {
  const program = new Command('handoff')
    .description('Runs DAGs of functions in parallel on worker threads, of one host or many.')
    .version(packageVersion())
    .addHelpText('after', examples)
    .configureOutput({ writeOut: print, writeErr: (text) => void process.stderr.write(text) })
    .exitOverride();
  program
    .command('init')
    .description('write a small project in TypeScript: functions, a DAG, a configuration, a test and scripts')
    .argument('[folder]', 'default: the working directory; files that exist are never changed')
    .action(async (folder?: string) => done(await (await import('./init.ts')).init(folder)));
  withListening(withDag(program.command('run').description('run the DAG of a module and print its results')))
    .option('--progress', 'show progress and a summary on stderr: a bar on a terminal, lines elsewhere', true)
    .option('--no-progress', 'no progress')
    .addOption(
      choice(
        '--log <mode>',
        'output of functions: as it comes, grouped by function when it ends, or none',
        logModes,
      ).default('stream'),
    )
    .option('--json', 'print results, allocations and statistics as JSON')
    .option('--trace <file>', 'write Chrome trace events, for Perfetto and handoff plot')
    .option('--summary <file>', 'write a summary as JSON: durations, critical path, use of threads and nodes')
    .option('--report <file>', 'write a report of the run as one HTML file')
    .option(
      '--collect <which>',
      "results to print: all, sinks (no function depends on them), or ids separated by commas; default: the DAG's outputs",
      (value: string, before: string[] | undefined) => [...(before ?? []), value],
    )
    .option('--timeout <ms>', 'time limit of the whole run; default: none')
    .option('--max-retries <n>', 'extra attempts of functions that do not set maxRetries; default: 3')
    .addOption(
      choice(
        '--failure-policy <policy>',
        'end the run at the first failure, or first finish all functions that do not depend on it; default: fail-fast',
        failurePolicies,
      ),
    )
    .option('--max-concurrency <n>', 'most functions in flight at once; default: limited by threads and resources only')
    .option('--deadline <ms>', 'time in which the run should finish, for --strategy cost-optimized')
    .option(...journal)
    .addOption(
      choice(
        '--in-doubt <policy>',
        'with --journal: fail when a function that is not idempotent may have taken effect before, or run it again; default: fail',
        doubtPolicies,
      ),
    )
    .option('--run-id <id>', 'id of the run; with --journal, a run of this id is continued, or its outcome is printed')
    .option('--cache', 'take results of earlier runs whose code and inputs are the same, and keep those of this run')
    .option('--no-cache', 'neither take nor keep results, whatever functions say')
    .option(...cacheDir)
    .option('--speculate', 'start a backup of a function that takes far too long, if a thread is idle')
    .option(...beside)
    .action(async (file: string, args: string[], flags: RunFlags) =>
      done(await (await import('./run.ts')).run(file, args, flags)),
    );
  withDag(
    program
      .command('plan')
      .description('print the schedule by declared or learned durations, without running anything'),
  )
    .option('--json', 'print the plan as JSON')
    .option('--svg <file>', 'also draw the plan into a file')
    .option('--budget <n>', 'candidate schedules to try; default: 1, the schedule of the scheduler itself')
    .option('--deadline <ms>', 'time in which the run should finish, for --strategy cost-optimized')
    .option('--bandwidth <bytes>', 'bytes per second between hosts; default: 1e9')
    .option('--latency <ms>', 'latency between hosts; default: 0.5')
    .action(async (file: string, args: string[], flags: PlanFlags) =>
      done(await (await import('./plan.ts')).plan(file, args, flags)),
    );
  const drawing = program
    .command('graph')
    .description('draw the DAG of a module')
    .addOption(choice('--format <format>', 'output format', formats).default('mermaid'))
    .option(
      '--allocations <file>',
      'colour functions by the node they ran on; a file written by handoff run --summary or --json',
    )
    .option('--plan', 'colour functions by the node they would run on');
  withDag(drawing.optionsGroup('With --plan:')).action(async (file: string, args: string[], flags: GraphFlags) =>
    done(await (await import('./graph.ts')).graph(file, args, flags)),
  );
  program
    .command('plot')
    .description('draw a traced run as SVG on stdout: what ran where and when, and the resources in use')
    .argument('<trace>', 'a file written by handoff run --trace')
    .option('--svg <file>', 'write the SVG into a file')
    .action(async (file: string, flags: PlotFlags) => done(await (await import('./plot.ts')).plot(file, flags)));
  withRoot(
    withListening(
      withCluster(
        program.command('node').description('run a host that offers its nodes to others, until SIGTERM or Ctrl-C'),
      ),
    ),
  )
    .option('--name <name>', "name of this host's node; default: host name and process id")
    .option('--capabilities <amounts>', "resources of the node, as 'cpu=8,memory=16000'; default: all of the machine")
    .option('--nodes <nodes>', "several nodes, as 'a:cpu=2,memory=4000;b:cpu=1'")
    .option('--allow-source', 'also run source text from other hosts (fromSource())')
    .option(...learn)
    .option(...journal)
    .option(...beside)
    .option('--json', 'print { address, nodes } as a line of JSON when ready')
    .action(async (flags: NodeFlags) => done(await (await import('./node.ts')).node(flags)));
  withCluster(program.command('nodes').description('list the nodes of a cluster'))
    .option('--json', 'print { hosts, nodes } as JSON')
    .action(async (flags: ClusterNodesFlags) => done(await (await import('./cluster.ts')).clusterNodes(flags)));
  withListening(
    withCluster(
      program.command('dashboard').description('serve a page that shows what a cluster does, until SIGTERM or Ctrl-C'),
    ),
  )
    .option('--port <port>', 'port of the page; default: 7430; 0: any free port')
    .option('--host <host>', 'address of the page; default: 127.0.0.1; an address that others can reach needs a token')
    .option('--token-file <file>', 'file with the token that browsers must present')
    .option('--json', 'print { url } as a line of JSON when ready')
    .action(async (flags: DashboardCommandFlags) => done(await (await import('./dashboard.ts')).dashboard(flags)));
  withDag(
    program.command('submit').description('record the DAG of a module in a journal, for a process that takes it up'),
  )
    .option(...journal)
    .option('--run-id <id>', 'id of the run; default: a random one, which is printed')
    .action(async (file: string, args: string[], flags: SubmitFlags) =>
      done(await (await import('./journal.ts')).submitRun(file, args, flags)),
    );
  withConfig(program.command('runs').description('list the runs of a journal, the newest first'))
    .addOption(choice('--state <state>', 'only runs in this state', runStates))
    .option('--limit <n>', 'most runs to list; default: 100')
    .option('--json', 'print the runs as JSON')
    .action(async (flags: RunsFlags) => done(await (await import('./journal.ts')).listRuns(flags)));
  withConfig(program.command('show').description('show a run of a journal').argument('<run>'))
    .option('--json', 'print the run with its DAG as JSON')
    .action(async (runId: string, flags: JournalFlags) =>
      done(await (await import('./journal.ts')).showRun(runId, flags)),
    );
  withConfig(
    program
      .command('resume')
      .description('continue a run of a journal here, without what is recorded as done, and print its results')
      .argument('<run>'),
  )
    .option('--retry <id>', 'run this function again, although it may have taken effect; may be repeated', collected)
    .option('--result <id=json>', 'take this as the result of a function in doubt; may be repeated', collected)
    .option(
      '--nodes <nodes>',
      "nodes of this host, as 'a:cpu=2,memory=4000;b:cpu=1'; default: one with all of the machine",
    )
    .option('--json', 'print results, allocations and statistics as JSON')
    .action(async (runId: string, flags: ResumeFlags) =>
      done(await (await import('./journal.ts')).resumeRun(runId, flags)),
    );
  withConfig(
    program.command('cancel').description('cancel a run of a journal, wherever it runs').argument('<run>'),
  ).action(async (runId: string, flags: HandoffFlags) =>
    done(await (await import('./journal.ts')).cancelRun(runId, flags)),
  );
  const upkeep = program.command('journal').description('look after a journal');
  withConfig(upkeep.command('compact').description('delete old runs beyond what is retained')).action(
    async (flags: JournalFlags) => done(await (await import('./journal.ts')).compactJournal(flags)),
  );
  const cached = program.command('cache').description('look after a cache of results');
  withCache(cached.command('stats').description('print the number and the size of the results in a cache'))
    .option('--json', 'print { results, bytes, maxBytes } as JSON')
    .action(async (flags: CacheFlags) => done(await (await import('./cache.ts')).cacheStats(flags)));
  withCache(cached.command('clear').description('delete all results of a cache')).action(async (flags: CacheFlags) =>
    done(await (await import('./cache.ts')).clearCache(flags)),
  );
  program
    .command('completion')
    .description('print a script that completes commands and flags in a shell')
    .addArgument(new Argument('<shell>').choices(shells))
    .action((shell: string) => print(completionScript(program, shell)));
  hintAtHelp(program);
  return program;
}

/** After wrong usage, each command names its own help. */
function hintAtHelp(command: Command, path = command.name()): void {
  const { commands } = command;
  command.showHelpAfterError(
    `(${path} --help lists ${commands.length > 0 ? 'its commands' : 'its arguments and flags'})`,
  );
  for (const each of commands) hintAtHelp(each, `${path} ${each.name()}`);
}

function choice(flags: string, description: string, values: readonly string[]): Option {
  // Invalid values are refused where they are used, with the same messages as in a program.
  return new Option(flags, description).choices(values).argParser((value: string) => value);
}

const beside = ['--dashboard [port]', 'serve a page that shows the run; default port: 7430; 0: any free port'] as const;
const learn = [
  '--cost-model <file>',
  'file of learned durations and result sizes, read at the start and updated at the end',
] as const;

const journal = [
  '--journal <dir>',
  'folder in which runs are recorded, so that they outlive their process; or postgres://USER@HOST/DATABASE, with the password in PGPASSWORD or ~/.pgpass; or nats://HOST:PORT, with credentials in HANDOFF_NATS_ variables; or nats:, for the servers of --nats',
] as const;

const cacheDir = ['--cache-dir <dir>', 'folder of the cache; default: that of the journal, or .handoff'] as const;

const collected = (value: string, before: string[] | undefined): string[] => [...(before ?? []), value];

/** Flags of commands that need a journal. */
function withConfig(command: Command): Command {
  return command
    .option(...journal)
    .option('--config <file>', 'configuration file; default: handoff.config.ts, .mts, .js or .mjs');
}

function withCache(command: Command): Command {
  return withConfig(command.option(...cacheDir));
}

/** Flags of commands that take a DAG and nodes. */
function withDag(command: Command): Command {
  command
    .argument('<file>')
    .argument('[args...]', 'passed to the function that the module exports')
    .option(
      '--nodes <nodes>',
      "nodes of this host, as 'a:cpu=2,memory=4000;b:cpu=1'; default: one with all of the machine, or none with --join",
    )
    .addOption(choice('--strategy <name>', 'placement strategy', strategyNames))
    .option(...learn);
  return withRoot(withCluster(command));
}

function withCluster(command: Command): Command {
  return command
    .option(
      '--join <host:port>',
      'a host of the cluster to join; may be repeated',
      (value: string, before: string[] | undefined) => [...(before ?? []), value],
    )
    .option('--nats <url>', 'a NATS server where the hosts find each other; may be repeated', collected)
    .option('--nats-namespace <name>', 'namespace of the cluster there; default: handoff')
    .option('--nats-creds <file>', 'credentials for the server, a .creds file')
    .option('--nats-nkey <file>', 'file with the seed of an nkey for the server')
    .option('--nats-user <name>', 'user at the server')
    .option('--nats-pass-file <file>', 'file with the password of the user')
    .option('--nats-token-file <file>', 'file with the token that the server asks for')
    .option('--nats-ca <file>', 'CA that signed the certificate of the server, PEM')
    .option('--nats-cert <file>', 'certificate of this host for the server, PEM')
    .option('--nats-key <file>', 'its key')
    .option('--secret-file <file>', 'file with the secret of the cluster')
    .option('--tls-cert <file>', 'certificate of this host, PEM')
    .option('--tls-key <file>', 'its key')
    .option('--tls-ca <file>', 'CA that signed the certificates of the other hosts')
    .option('--config <file>', 'configuration file; default: handoff.config.ts, .mts, .js or .mjs');
}

function withRoot(command: Command): Command {
  return command.option(
    '--root <dir>',
    'folder that contains the modules of functions, with the same layout on all hosts; default: the working directory',
  );
}

function withListening(command: Command): Command {
  return command
    .option('--listen <host:port>', 'address where others reach this host; port 0: any free port; or unix:/path')
    .option('--advertise <host:port>', 'address that others dial, if it differs from --listen');
}
