/** The commands and their flags. The code of a command is imported on use, so that help is fast. */
import { Argument, Command, Option } from 'commander';
import { defaultOf } from '../core/option-text.ts';
import { packageVersion } from '../core/package-files.ts';
import { nearest } from '../core/suggest.ts';
import { strategyNames } from '../scheduling/allocation/allocator.ts';
import { doubtPolicies, failurePolicies, formats, logModes, runStates } from './flags/choices.ts';
import { defaultCacheDir, type HandoffFlags } from './flags/flags.ts';
import type { JournalFlags, ResumeFlags, RunsFlags, ShowFlags, SubmitFlags } from './commands/journal.ts';
import type { CacheFlags } from './commands/cache.ts';
import { completionScript, shells } from './commands/completion.ts';
import type { DashboardCommandFlags } from './commands/dashboard.ts';
import type { GraphFlags } from './commands/graph.ts';
import type { NodeFlags } from './commands/node.ts';
import type { NodesFlags } from './commands/nodes.ts';
import { optionFlag, options, plain } from './flags/option-flags.ts';
import type { PlanFlags } from './commands/plan.ts';
import type { PlotFlags } from './commands/plot.ts';
import type { RunFlags } from './commands/run.ts';
import { print } from './output/stdout.ts';

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
    .action(async (folder?: string) => done(await (await import('./commands/init.ts')).init(folder)));
  withListening(withDag(program.command('run').description('run the DAG of a module and print its results')))
    .option('--progress', 'show progress and a summary on stderr: a bar on a terminal, lines elsewhere', true)
    .option('--no-progress', 'no progress')
    .addOption(
      choice(
        new Option('--log <mode>', 'output of functions: as it comes, grouped by function when it ends, or none'),
        logModes,
      ).default('stream'),
    )
    .option('--json', 'print results, allocations and statistics as JSON')
    .option('--trace <file>', 'write Chrome trace events, for Perfetto and handoff plot')
    .option('--summary <file>', 'write a summary as JSON: durations, critical path, use of threads and nodes')
    .option('--report <file>', 'write a report of the run as one HTML file')
    .addOption(
      repeated(
        optionFlag('--collect <which>', execute.collect, {
          more: 'ids are separated by commas',
          otherwise: 'the outputs of the DAG',
        }),
      ),
    )
    .addOption(optionFlag('--timeout <ms>', execute.timeout, { otherwise: 'none' }))
    .addOption(optionFlag('--max-retries <n>', execute.maxRetries, { otherwise: defaultOf(start.maxRetries)! }))
    .addOption(choice(optionFlag('--failure-policy <policy>', execute.failurePolicy), failurePolicies))
    .addOption(optionFlag('--max-concurrency <n>', execute.maxConcurrency))
    .addOption(optionFlag('--deadline <ms>', execute.deadline))
    .addOption(journal)
    .addOption(choice(optionFlag('--in-doubt <policy>', execute.inDoubt, { more: 'with --journal' }), doubtPolicies))
    .addOption(
      optionFlag('--run-id <id>', execute.runId, {
        more: 'with --journal, a run of this id is continued, or its outcome is printed',
      }),
    )
    .addOption(optionFlag('--cache', execute.cache))
    .option('--no-cache', 'neither take nor keep results, whatever functions say')
    .addOption(cacheDir)
    .addOption(optionFlag('--speculate', execute.speculate))
    .addOption(beside)
    .action(async (file: string, args: string[], flags: RunFlags) =>
      done(await (await import('./commands/run.ts')).run(file, args, flags)),
    );
  withDag(
    program
      .command('plan')
      .description('print the schedule by declared or learned durations, without running anything'),
  )
    .option('--json', 'print the plan as JSON')
    .option('--svg <file>', 'also draw the plan into a file')
    .addOption(optionFlag('--budget <n>', planning.budget))
    .addOption(optionFlag('--deadline <ms>', planning.deadline))
    .addOption(optionFlag('--bandwidth <bytes>', planning.bandwidth))
    .addOption(optionFlag('--latency <ms>', planning.latency))
    .action(async (file: string, args: string[], flags: PlanFlags) =>
      done(await (await import('./commands/plan.ts')).plan(file, args, flags)),
    );
  const drawing = program
    .command('graph')
    .description('draw the DAG of a module')
    .addOption(choice(new Option('--format <format>', 'output format'), formats).default('mermaid'))
    .option(
      '--allocations <file>',
      'colour functions by the node they ran on; a file written by handoff run --summary or --json',
    )
    .option('--plan', 'colour functions by the node they would run on')
    .option('--run', 'the file is a trace written by handoff run --trace; draw what its run became');
  withDag(drawing.optionsGroup('With --plan:')).action(async (file: string, args: string[], flags: GraphFlags) =>
    done(await (await import('./commands/graph.ts')).graph(file, args, flags)),
  );
  program
    .command('plot')
    .description('draw a traced run as SVG on stdout: what ran where and when, and the resources in use')
    .argument('<trace>', 'a file written by handoff run --trace')
    .option('--svg <file>', 'write the SVG into a file')
    .action(async (file: string, flags: PlotFlags) =>
      done(await (await import('./commands/plot.ts')).plot(file, flags)),
    );
  withRoot(
    withListening(
      withCluster(
        program.command('node').description('run a host that offers its nodes to others, until SIGTERM or Ctrl-C'),
      ),
    ),
  )
    .addOption(optionFlag('--name <name>', node.name, { otherwise: 'host name and process id' }))
    .addOption(
      optionFlag('--capabilities <amounts>', node.capabilities, {
        more: "written as 'cpu=8,memory=16000'",
        otherwise: 'all of the machine',
      }),
    )
    .addOption(nodesFlag('one, of --name and --capabilities'))
    .addOption(optionFlag('--allow-source', start.allowSource))
    .addOption(learn)
    .addOption(journal)
    .addOption(beside)
    .option('--json', 'print { address, nodes } as a line of JSON when ready')
    .action(async (flags: NodeFlags) => done(await (await import('./commands/node.ts')).node(flags)));
  withCluster(program.command('nodes').description('list the nodes of a cluster'))
    .option('--json', 'print { hosts, nodes } as JSON')
    .action(async (flags: NodesFlags) => done(await (await import('./commands/nodes.ts')).listNodes(flags)));
  withListening(
    withCluster(
      program.command('dashboard').description('serve a page that shows what a cluster does, until SIGTERM or Ctrl-C'),
    ),
  )
    .addOption(optionFlag('--port <port>', page.port))
    .addOption(optionFlag('--host <host>', page.host))
    .addOption(optionFlag('--token-file <file>', page.token, { isFile: true }))
    .addOption(journal)
    .option('--json', 'print { url } as a line of JSON when ready')
    .action(async (flags: DashboardCommandFlags) =>
      done(await (await import('./commands/dashboard.ts')).dashboard(flags)),
    );
  withDag(
    program.command('submit').description('record the DAG of a module in a journal, for a process that takes it up'),
  )
    .addOption(journal)
    .addOption(optionFlag('--run-id <id>', execute.runId, { otherwise: 'a random one, which is printed' }))
    .action(async (file: string, args: string[], flags: SubmitFlags) =>
      done(await (await import('./commands/journal.ts')).submitRun(file, args, flags)),
    );
  withConfig(program.command('runs').description('list the runs of a journal, the newest first'))
    .addOption(choice(new Option('--state <state>', 'only runs in this state'), runStates))
    .option('--limit <n>', 'most runs to list; default: 100')
    .option('--json', 'print the runs as JSON')
    .action(async (flags: RunsFlags) => done(await (await import('./commands/journal.ts')).listRuns(flags)));
  withConfig(program.command('show').description('show a run of a journal').argument('<run>'))
    .option('--json', 'print the run with its DAG as JSON')
    .option('--report <file>', 'write a report of the run as one HTML file')
    .action(async (runId: string, flags: ShowFlags) =>
      done(await (await import('./commands/journal.ts')).showRun(runId, flags)),
    );
  withConfig(
    program
      .command('resume')
      .description('continue a run of a journal here, without what is recorded as done, and print its results')
      .argument('<run>'),
  )
    .addOption(repeated(new Option('--retry <id>', 'run this function again, although it may have taken effect')))
    .addOption(repeated(new Option('--result <id=json>', 'take this as the result of a function in doubt')))
    .addOption(nodesFlag('one with all of the machine'))
    .option('--json', 'print results, allocations and statistics as JSON')
    .action(async (runId: string, flags: ResumeFlags) =>
      done(await (await import('./commands/journal.ts')).resumeRun(runId, flags)),
    );
  withConfig(
    program.command('cancel').description('cancel a run of a journal, wherever it runs').argument('<run>'),
  ).action(async (runId: string, flags: HandoffFlags) =>
    done(await (await import('./commands/journal.ts')).cancelRun(runId, flags)),
  );
  const upkeep = program.command('journal').description('look after a journal');
  withConfig(upkeep.command('compact').description('delete old runs beyond what is retained')).action(
    async (flags: JournalFlags) => done(await (await import('./commands/journal.ts')).compactJournal(flags)),
  );
  const cached = program.command('cache').description('look after a cache of results');
  withCache(cached.command('stats').description('print the number and the size of the results in a cache'))
    .option('--json', 'print { results, bytes, maxBytes } as JSON')
    .action(async (flags: CacheFlags) => done(await (await import('./commands/cache.ts')).cacheStats(flags)));
  withCache(cached.command('clear').description('delete all results of a cache')).action(async (flags: CacheFlags) =>
    done(await (await import('./commands/cache.ts')).clearCache(flags)),
  );
  program
    .command('completion')
    .description('print a script that completes commands and flags in a shell')
    .addArgument(new Argument('<shell>').choices(shells))
    .action((shell: string) => print(completionScript(program, shell)));
  hintAtHelp(program);
  return program;
}

/** After wrong usage, each command names what was probably meant, and its own help. */
function hintAtHelp(command: Command, path = command.name()): void {
  const { commands } = command;
  command
    .showHelpAfterError(`(${path} --help lists ${commands.length > 0 ? 'its commands' : 'its arguments and flags'})`)
    .showSuggestionAfterError(false)
    .configureOutput({ outputError: (text, write) => write(`${text}${suggestion(command, text)}`) });
  for (const each of commands) hintAtHelp(each, `${path} ${each.name()}`);
}

/** A line with the flag or command that was probably meant; the library's names of options count. */
function suggestion(command: Command, error: string): string {
  const [, what, given] = /unknown (option|command) '(?:--)?(\w[\w-]+)/.exec(error) ?? [];
  if (given === undefined) return '';
  const names = new Map(
    what === 'command'
      ? command.commands.map((each) => [each.name(), each.name()])
      : command.options.map((each) => [each.attributeName(), each.long!]),
  );
  const meant = nearest(what === 'command' ? given : new Option(`--${given}`).attributeName(), names.keys());
  return meant === undefined ? '' : `(Did you mean ${names.get(meant)}?)\n`;
}

/** Invalid values are refused where they are used, with the same messages as in a program. */
function choice(option: Option, values: readonly string[]): Option {
  return option.choices(values).argParser((value: string) => value);
}

function repeated(option: Option): Option {
  option.description += '; may be repeated';
  return option.argParser((value: string, before: string[] | undefined) => [...(before ?? []), value]);
}

const { start, node, execute, plan: planning, tcp, nats, dashboard: page } = options;

const beside = optionFlag('--dashboard [port]', start.dashboard, {
  more: 'until the command ends; default port: 7430; 0: any free port',
  otherwise: '',
});

const learn = optionFlag('--cost-model <file>', start.costModel, {
  more: 'a file that is read at the start, if it exists, and written at the end',
  otherwise: 'none',
});

const journal = optionFlag('--journal <dir>', start.journal, {
  more:
    'a folder; or postgres://USER@HOST/DATABASE, with the password in PGPASSWORD or ~/.pgpass; ' +
    'or nats://HOST:PORT, with credentials in HANDOFF_NATS_ variables; or nats:, for the servers of --nats',
  otherwise: '',
});

const cacheDir = optionFlag('--cache-dir <dir>', start.cacheDir, {
  otherwise: `${plain(defaultOf(start.cacheDir)!)}, or ${defaultCacheDir}`,
});

function nodesFlag(otherwise: string): Option {
  return optionFlag('--nodes <nodes>', start.nodes, {
    more: "written as 'a:cpu=2,memory=4000;b:cpu=1'",
    otherwise,
  });
}

/** Flags of commands that need a journal. */
function withConfig(command: Command): Command {
  return command
    .addOption(journal)
    .option('--config <file>', 'configuration file; default: handoff.config.ts, .mts, .js or .mjs');
}

function withCache(command: Command): Command {
  return withConfig(command.addOption(cacheDir));
}

/** Flags of commands that take a DAG and nodes. */
function withDag(command: Command): Command {
  command
    .argument('<file>')
    .argument('[args...]', 'passed to the function that the module exports')
    .addOption(nodesFlag('one with all of the machine, or none with --join'))
    .addOption(choice(optionFlag('--strategy <name>', start.allocationStrategy), strategyNames))
    .addOption(learn);
  return withRoot(withCluster(command));
}

function withCluster(command: Command): Command {
  return command
    .addOption(repeated(optionFlag('--join <host:port>', tcp.join, { otherwise: '' })))
    .addOption(repeated(optionFlag('--nats <url>', nats.servers, { otherwise: '' })))
    .addOption(optionFlag('--nats-namespace <name>', nats.namespace))
    .addOption(optionFlag('--nats-creds <file>', nats.creds, { isFile: true }))
    .addOption(optionFlag('--nats-nkey <file>', nats.nkey, { isFile: true }))
    .addOption(optionFlag('--nats-user <name>', nats.user))
    .addOption(optionFlag('--nats-pass-file <file>', nats.pass, { isFile: true }))
    .addOption(optionFlag('--nats-token-file <file>', nats.token, { isFile: true }))
    .option('--nats-ca <file>', 'CA that signed the certificate of the server, PEM')
    .option('--nats-cert <file>', 'certificate of this host for the server, PEM')
    .option('--nats-key <file>', 'key of --nats-cert, PEM')
    .addOption(optionFlag('--secret-file <file>', tcp.secret, { isFile: true }))
    .option('--tls-cert <file>', 'certificate of this host, PEM')
    .option('--tls-key <file>', 'key of --tls-cert, PEM')
    .option('--tls-ca <file>', 'CA that signed the certificates of the other hosts, PEM')
    .option('--config <file>', 'configuration file; default: handoff.config.ts, .mts, .js or .mjs');
}

function withRoot(command: Command): Command {
  return command.addOption(optionFlag('--root <dir>', tcp.root));
}

function withListening(command: Command): Command {
  return command
    .option('--listen <host:port>', 'address where others reach this host; port 0: any free port; or unix:/path')
    .addOption(optionFlag('--advertise <host:port>', tcp.advertise, { otherwise: '' }));
}
