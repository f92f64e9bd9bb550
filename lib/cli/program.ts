/** The commands and their flags. What performs a command is imported when it is used, so that help comes at once. */
import { Argument, Command, Option } from 'commander';
import { packageVersion } from '../core/package-files.ts';
import { strategyNames } from '../scheduling/allocation/allocator.ts';
import { failurePolicies, formats, logModes } from './choices.ts';
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
  $ handoff run pipeline.ts                          run the DAG that the module exports
  $ handoff run pipeline.ts --nodes 'a:cpu=2;b:cpu=1,gpu=1' --strategy load-balanced
  $ handoff run pipeline.ts --json --trace run.json  results as JSON; the trace opens in Perfetto
  $ handoff plan pipeline.ts                         what would run where and when
  $ handoff plot run.json > run.svg                  the same run as a picture
  $ handoff graph pipeline.ts --plan --format svg > dag.svg
  $ source <(handoff completion bash)                complete commands and flags by the tab key; zsh and fish likewise

Several hosts:
  $ handoff node --listen 127.0.0.1:7420 --name a                         a host that others use
  $ handoff node --listen 127.0.0.1:7421 --name b --join 127.0.0.1:7420   another
  $ handoff nodes --join 127.0.0.1:7420                                   who is there
  $ handoff dashboard --join 127.0.0.1:7420                               what they do, in a browser
  $ handoff run pipeline.ts --join 127.0.0.1:7420                         run on all of them

<file> is a module whose default export is a DAG, or a function that gives one; what follows -- is passed to it.

Options are taken from flags, then from HANDOFF_ variables, then from handoff.config.ts (.mts, .js, .mjs), whose default export is options of
Handoff.start. The secret of a cluster is never a flag: HANDOFF_SECRET, HANDOFF_SECRET_FILE or --secret-file. Nor is the token of a dashboard:
HANDOFF_DASHBOARD_TOKEN or --token-file.

Exit codes:
  0    done
  1    a function failed, no host answered, or what was asked for cannot be written
  2    wrong usage, a graph that is not valid, or a secret or code that are not the cluster's
  130  ended by Ctrl-C (SIGINT); the first lets running functions finish, the second ends at once
  143  ended by SIGTERM, likewise; 129 by SIGHUP, as when its terminal is closed
`;

/** @param done given the exit code of the command that was performed */
export function createProgram(done: (code: number) => void): Command {
  const program = new Command('handoff')
    .description('Runs DAGs of functions in parallel on worker threads, of one host or many.')
    .version(packageVersion())
    .showHelpAfterError('(handoff --help tells what there is)')
    .addHelpText('after', examples)
    .configureOutput({ writeOut: print, writeErr: (text) => void process.stderr.write(text) })
    .exitOverride();
  withListening(withDag(program.command('run').description('run the DAG of a module and print its results')))
    .option('--progress', 'progress on stderr, and then what the run came to: a bar on a terminal, lines elsewhere', true)
    .option('--no-progress', 'no progress')
    .addOption(choice('--log <mode>', 'what functions log: as it comes, that of each function together when it has ended, or not at all', logModes).default('stream'))
    .option('--json', 'results, allocations and statistics as JSON')
    .option('--trace <file>', 'write Chrome trace events, which Perfetto and handoff plot open')
    .option('--summary <file>', 'write what the run came to as JSON: durations, critical path, use of threads and nodes')
    .option('--report <file>', 'write a page that shows all of the run, as one HTML file')
    .option('--collect <which>', "the results to print: all, sinks (of functions that no other depends on), or ids, with commas between; default: the DAG's outputs", (value: string, before: string[] | undefined) => [...(before ?? []), value])
    .option('--timeout <ms>', 'what the whole run may take; default: no limit')
    .option('--max-retries <n>', 'extra attempts of functions that do not say; default: 3')
    .addOption(choice('--failure-policy <policy>', 'whether the first failure ends the run, or what does not depend on it finishes first; default: fail-fast', failurePolicies))
    .option('--max-concurrency <n>', 'how many functions may be in flight at once; default: as many as threads and resources allow')
    .option('--deadline <ms>', 'what it may take, for --strategy cost-optimized')
    .option('--speculate', 'run functions that take far too long once more beside it, while a thread is idle')
    .option(...beside)
    .action(async (file: string, args: string[], flags: RunFlags) => done(await (await import('./run.ts')).run(file, args, flags)));
  withDag(program.command('plan').description('tell what would run where and when, by the durations that functions declare; run nothing'))
    .option('--json', 'the plan as JSON')
    .option('--svg <file>', 'draw it into a file, too')
    .option('--budget <n>', 'how many candidate schedules may be tried for the best; default: 1, what the scheduler itself would do')
    .option('--deadline <ms>', "what it may take at most, for --strategy cost-optimized")
    .option('--bandwidth <bytes>', 'bytes per second between hosts; default: 1e9').option('--latency <ms>', 'until the first byte of a result is on another host; default: 0.5')
    .action(async (file: string, args: string[], flags: PlanFlags) => done(await (await import('./plan.ts')).plan(file, args, flags)));
  const drawing = program.command('graph').description('draw the DAG of a module')
    .addOption(choice('--format <format>', 'of the drawing', formats).default('mermaid'))
    .option('--allocations <file>', 'colour functions by the node that they ran on, as handoff run --summary or --json wrote it')
    .option('--plan', 'colour functions by the node that they would run on');
  withDag(drawing.optionsGroup('With --plan:'))
    .action(async (file: string, args: string[], flags: GraphFlags) => done(await (await import('./graph.ts')).graph(file, args, flags)));
  program.command('plot').description('draw a run that was traced: what ran where and when, and what was held of the nodes; SVG on stdout')
    .argument('<trace>', 'a file that handoff run --trace wrote')
    .option('--svg <file>', 'draw it into a file')
    .action(async (file: string, flags: PlotFlags) => done(await (await import('./plot.ts')).plot(file, flags)));
  withRoot(withListening(withCluster(program.command('node').description('run a host whose nodes others use, until SIGTERM or Ctrl-C'))))
    .option('--name <name>', "name of this host's node; default: host name and process id")
    .option('--capabilities <amounts>', "what it has, as 'cpu=8,memory=16000'; default: all of the machine")
    .option('--nodes <nodes>', "several nodes, as 'a:cpu=2,memory=4000;b:cpu=1'")
    .option('--allow-source', 'run source text of other hosts, too (fromSource())')
    .option(...learn)
    .option(...beside)
    .option('--json', 'print { address, nodes } as a line of JSON when ready')
    .action(async (flags: NodeFlags) => done(await (await import('./node.ts')).node(flags)));
  withCluster(program.command('nodes').description('tell which nodes a cluster has'))
    .option('--json', '{ hosts, nodes } as JSON')
    .action(async (flags: ClusterNodesFlags) => done(await (await import('./cluster.ts')).clusterNodes(flags)));
  withListening(withCluster(program.command('dashboard').description('show what a cluster does, in a browser, until SIGTERM or Ctrl-C')))
    .option('--port <port>', 'its port; default: 7430, 0: any')
    .option('--host <host>', 'where the page is served; default: 127.0.0.1, anything that others can reach needs a token')
    .option('--token-file <file>', 'holds what whoever looks must know')
    .option('--json', 'print { url } as a line of JSON when ready')
    .action(async (flags: DashboardCommandFlags) => done(await (await import('./dashboard.ts')).dashboard(flags)));
  program.command('completion').description('print a script that completes commands and flags in a shell')
    .addArgument(new Argument('<shell>').choices(shells))
    .action((shell: string) => print(completionScript(program, shell)));
  return program;
}

function choice(flags: string, description: string, values: readonly string[]): Option {
  // Other values are refused where they are used, in the same words as from a program.
  return new Option(flags, description).choices(values).argParser((value: string) => value);
}

const beside = ['--dashboard [port]', 'show what runs, in a browser; default port: 7430, 0: any'] as const;
const learn = ['--cost-model <file>', 'keep there what was learned of how long functions take and how much they give, and go by it'] as const;

/** What commands share that are given a DAG and nodes. */
function withDag(command: Command): Command {
  command.argument('<file>').argument('[args...]', 'passed to the function that the module exports')
    .option('--nodes <nodes>', "nodes of this host, as 'a:cpu=2,memory=4000;b:cpu=1'; default: one with all of the machine, or none with --join")
    .addOption(choice('--strategy <name>', 'how functions are placed', strategyNames))
    .option(...learn);
  return withRoot(withCluster(command));
}

function withCluster(command: Command): Command {
  return command
    .option('--join <host:port>', 'a host of the cluster to join; may be given several times', (value: string, before: string[] | undefined) => [...(before ?? []), value])
    .option('--secret-file <file>', 'holds the secret of the cluster')
    .option('--tls-cert <file>', 'certificate of this host, PEM').option('--tls-key <file>', 'its key').option('--tls-ca <file>', 'who must have signed the certificates of the others')
    .option('--config <file>', 'configuration; default: handoff.config.ts, .mts, .js or .mjs');
}

function withRoot(command: Command): Command {
  return command.option('--root <dir>', 'the folder below which modules of functions lie, alike on all hosts; default: the working directory');
}

function withListening(command: Command): Command {
  return command
    .option('--listen <host:port>', 'where others can reach this host; port 0: any; or unix:/path')
    .option('--advertise <host:port>', 'where they are to dial it, when that is another address');
}
