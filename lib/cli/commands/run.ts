/** `handoff run <file>`: runs a DAG and prints its results. */
import { nanoid } from 'nanoid';
import { ValueDag } from '../../dag/value-dag.ts';
import type { Dag } from '../../dag/dag.ts';
import { isHandoffError } from '../../core/errors.ts';
import { leavesOf } from '../../core/output-shape.ts';
import { withoutPassword } from '../../journal/postgres/options.ts';
import type { RunRecord } from '../../report/run-record.ts';
import { summarise, type RunSummary } from '../../report/summary.ts';
import { tracedEvents, TraceRecorder } from '../../report/trace.ts';
import { type Handoff, overviewOf } from '../../runtime/handoff.ts';
import { readConfig } from '../../runtime/options/config.ts';
import type { ExecuteOptions } from '../../runtime/options/execute-options.ts';
import type { ExecuteResult } from '../../runtime/run-result.ts';
import { failurePolicies, logModes } from '../flags/choices.ts';
import { describeError, exitCodeOf, ExitCode, UsageError } from '../exit.ts';
import type { HandoffFlags } from '../flags/flags.ts';
import { onInterrupt } from '../interrupt.ts';
import { loadDag, type LoadedDag } from '../load.ts';
import { toJson, toNumber } from '../output/output.ts';
import { OutputFile } from '../output/output-file.ts';
import { createProgressView } from '../output/progress-view.ts';
import { printResults, resultText } from '../output/results.ts';
import { loggedEvents, type LogMode, RunLog } from '../output/run-log.ts';
import { RunWatch } from '../run-watch.ts';
import { settled, type Settled, withHandoff } from '../start.ts';
import { print } from '../output/stdout.ts';
import { summaryText } from '../output/summary-text.ts';

export interface RunFlags extends HandoffFlags {
  readonly progress: boolean;
  readonly log: string;
  readonly json?: boolean;
  readonly trace?: string;
  readonly summary?: string;
  readonly report?: string;
  readonly collect?: readonly string[];
  readonly timeout?: string;
  readonly maxRetries?: string;
  readonly failurePolicy?: string;
  readonly maxConcurrency?: string;
  readonly deadline?: string;
  readonly speculate?: boolean;
  readonly inDoubt?: string;
  readonly runId?: string;
}

// ms between two samples of the nodes; a sample takes a tenth of a second. A picture shows no finer detail, and a
// summary needs less.
const lookForPicture = 100;
const lookForSummary = 400;

const fileFlags = ['trace', 'summary', 'report'] as const;

type Files = { readonly [Flag in (typeof fileFlags)[number]]?: OutputFile };

/** Runs the DAG of a file. Resolves to the exit code. */
export async function run(file: string, args: readonly string[], flags: RunFlags): Promise<number> {
  if (!logModes.includes(flags.log as LogMode))
    throw new UsageError(`--log: ${JSON.stringify(flags.log)} is not a mode. Modes: ${logModes.join(', ')}.`);
  const files: { -readonly [Flag in keyof Files]: Files[Flag] } = {};
  try {
    for (const name of fileFlags) {
      if (flags[name] === undefined) continue;
      const output = new OutputFile(`--${name}`, flags[name]);
      const others = Object.values(files);
      files[name] = output;
      for (const other of others) output.refuseSame(other);
    }
    return await runInto(files, file, args, flags);
  } finally {
    for (const each of Object.values(files)) each.close();
  }
}

async function runInto(files: Files, file: string, args: readonly string[], flags: RunFlags): Promise<number> {
  const { failurePolicy } = flags;
  if (failurePolicy !== undefined && !isFailurePolicy(failurePolicy)) {
    throw new UsageError(
      `--failure-policy: ${JSON.stringify(failurePolicy)} is not a policy. Policies: ${failurePolicies.join(', ')}.`,
    );
  }
  if (flags.inDoubt !== undefined && !(await hasJournal(flags)))
    throw new UsageError('--in-doubt has no effect without a journal. Add --journal DIR, or leave it out.');
  const options: ExecuteOptions = {
    ...Object.fromEntries(
      numbers.flatMap(([option, flag]) =>
        flags[option] === undefined ? [] : [[option, toNumber(flag, flags[option])]],
      ),
    ),
    ...(failurePolicy !== undefined && { failurePolicy }),
    ...(flags.inDoubt !== undefined && { inDoubt: flags.inDoubt as 'fail' | 'retry' }),
    ...(flags.speculate === true && { speculate: true }),
    ...(flags.cache !== undefined && { cache: flags.cache }),
  };
  const loaded = withCollected(await loadDag(file, args), flags.collect);
  return withHandoff(flags, 'orchestrator', (handoff) => runOn(handoff, loaded, options, files, flags));
}

async function hasJournal({ journal, config }: RunFlags): Promise<boolean> {
  return (journal ?? (await readConfig(config)).options.journal) !== undefined;
}

const numbers = [
  ['timeout', '--timeout'],
  ['maxRetries', '--max-retries'],
  ['maxConcurrency', '--max-concurrency'],
  ['deadline', '--deadline'],
] as const;

function isFailurePolicy(text: string): text is (typeof failurePolicies)[number] {
  return failurePolicies.some((each) => each === text);
}

interface DagToRun extends LoadedDag {
  readonly collect: 'all' | 'sinks' | readonly string[];
}

/** With `--collect`, results are printed by id. An id may contain a comma. */
function withCollected(loaded: LoadedDag, asked: readonly string[] | undefined): DagToRun {
  if (asked === undefined) return { ...loaded, collect: outputsOf(loaded) };
  const [first] = asked;
  const ids = loaded.dag.functions;
  const collect =
    asked.length === 1 && (first === 'all' || first === 'sinks')
      ? first
      : asked.flatMap((each) => (ids.has(each) ? [each] : each.split(',').map((id) => id.trim())));
  return { dag: loaded.dag, outputs: undefined, collect };
}

async function runOn(
  handoff: Handoff,
  loaded: DagToRun,
  options: ExecuteOptions,
  files: Files,
  flags: RunFlags,
): Promise<number> {
  const runId = flags.runId ?? nanoid();
  const later =
    flags.journal === undefined
      ? ''
      : `\nTo continue it: handoff resume ${runId} --journal ${withoutPassword(flags.journal)}`;
  const interrupt = onInterrupt(`Running functions finish; no other starts. Press again to end now.${later}`, () =>
    handoff.stop({ drain: 'functions' }),
  );
  if (handoff.address !== undefined) say(`listening on ${handoff.address}`);
  // After the stop, sampling alone would not keep the process alive until the outcome is printed.
  const alive = setInterval(() => {}, 60_000);
  let observed: Observed | undefined;
  try {
    observed = await observe(handoff, { dag: loaded.dag, runId }, flags, files);
    const outcome = await settled(handoff.execute(loaded.dag, { runId, collect: loaded.collect, ...options }));
    observed.progress?.close();
    printOutcome(loaded, outcome, flags.json === true);
    await observed.stop(outcome);
    if (outcome.ok) sayCached(outcome.value, flags);
    const wasInterrupted = !outcome.ok && interrupt.exitCode !== undefined && isHandoffError(outcome.error, 'STOPPED');
    if (!outcome.ok && !wasInterrupted) say(describeError(outcome.error));
    const allWritten = await observed.write(outcome);
    if (outcome.ok) return allWritten ? ExitCode.done : ExitCode.functionFailed;
    return wasInterrupted ? interrupt.exitCode! : exitCodeOf(outcome.error);
  } finally {
    observed?.close();
    await settled(handoff.stop()); // a drain that a signal started ends here
    clearInterval(alive);
    interrupt.dispose();
  }
}

/** Says how much came from the cache. */
function sayCached({ stats: { cached, functions } }: ExecuteResult, flags: RunFlags): void {
  if (cached > 0 || flags.cache === true) say(`${cached} of ${functions} cached`);
}

/** Prints the results. After a failed run, prints those that exist. */
function printOutcome(loaded: DagToRun, outcome: RunOutcome, asJson: boolean): void {
  if (outcome.ok) return printResults(loaded.outputs, outcome.value, asJson);
  if (!isHandoffError(outcome.error) || outcome.error.results === undefined) return;
  const { results, failures = [] } = outcome.error;
  if (asJson)
    print(
      toJson({
        dagId: loaded.dag.id,
        results,
        failures: failures.map(({ code, functionId, message }) => ({ code, functionId, message })),
      }),
    );
  else if (Object.keys(results).length > 0) print(resultText(undefined, results));
}

type RunOutcome = Settled<ExecuteResult>;

/** What keeps a run from starting. */
function waitOf(handoff: Handoff, runId: string): string | undefined {
  try {
    return handoff.explain(runId).text;
  } catch {
    return undefined; // the run has ended
  }
}

interface Observed {
  readonly progress: { close(): void } | undefined;
  /** Prints the summary of the run on stderr. */
  stop(outcome: RunOutcome): Promise<void>;
  /**
   * Writes the requested files. One that cannot be written is reported and does not affect the others. Resolves to
   * whether all were written.
   */
  write(outcome: RunOutcome): Promise<boolean>;
  close(): void;
}

/** Sets up the observation that the flags ask for, before the run starts. */
async function observe(
  handoff: Handoff,
  { dag, runId }: { readonly dag: Dag; readonly runId: string },
  flags: RunFlags,
  files: Files,
): Promise<Observed> {
  const log = new RunLog(runId, flags.log as LogMode, say);
  for (const type of loggedEvents[flags.log as LogMode]) handoff.on(type, (event) => log.record(event));
  // A DAG that does not compile does not run either; `execute` reports why.
  const watch =
    (flags.progress || Object.keys(files).length > 0) && dag.validate().ok
      ? new RunWatch(handoff, dag, runId)
      : undefined;
  const progress =
    watch !== undefined && flags.progress
      ? createProgressView(watch.record, process.stderr, () => waitOf(handoff, runId))
      : undefined;
  if (progress !== undefined)
    watch?.add(['attempts', 'function:skipped', 'function:retrying', 'function:failed'], {
      record: (event) => progress.record(event),
      sample: (_, nodes) => progress.nodes(nodes),
    });
  const trace = watch !== undefined && files.trace !== undefined ? new TraceRecorder(watch.record) : undefined;
  if (trace !== undefined) watch?.add(tracedEvents, trace);
  watch?.sample(
    trace !== undefined || (progress !== undefined && process.stderr.isTTY) ? lookForPicture : lookForSummary,
  );
  const report =
    files.report === undefined
      ? undefined
      : (await import('../../dashboard/report.ts')).createReport(overviewOf(handoff), runId);
  const summary = (): RunSummary => summarise(watch!.record, watch!.nodes, overviewOf(handoff).host);
  return {
    progress,
    async stop(outcome) {
      log.close();
      await watch?.stop();
      if (flags.progress && watch?.record.startedAt !== undefined)
        say(`${summaryText(summary())}${outcome.ok ? '' : '\n'}`);
    },
    async write(outcome) {
      const hasBegun = watch?.record.startedAt !== undefined;
      const summaryFile = (): string =>
        hasBegun
          ? summaryJson(watch.record, summary(), outcome)
          : `${toJson({ runId, dagId: dag.id, ok: false, ...errorOf(outcome) })}\n`;
      const written = [
        await settled(writeTo(files.summary, summaryFile)),
        await settled(writeTo(hasBegun ? files.trace : undefined, () => trace!.chunks())),
        await settled(writeTo(hasBegun ? files.report : undefined, () => report!.html())),
      ];
      for (const each of written) if (!each.ok) say(describeError(each.error));
      return written.every(({ ok }) => ok);
    },
    close: () => report?.close(),
  };
}

async function writeTo(
  file: OutputFile | undefined,
  content: () => string | Iterable<string> | Promise<string>,
): Promise<void> {
  await file?.write(await content());
}

function summaryJson({ graph, track, tracks }: RunRecord, summary: RunSummary, outcome: RunOutcome): string {
  const allocations: [string, string][] = [];
  for (let i = 0; i < track.length; i++) if (track[i]! >= 0) allocations.push([graph.ids[i]!, tracks[track[i]!]!.node]);
  return `${toJson({ ...(outcome.ok && { price: outcome.value.stats.price }), ...summary, allocations: Object.fromEntries(allocations), ...errorOf(outcome) })}\n`;
}

function errorOf(outcome: RunOutcome): { readonly error?: unknown } {
  return outcome.ok ? {} : { error: outcome.error };
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

function outputsOf({ dag, outputs }: LoadedDag): 'sinks' | readonly string[] {
  if (dag instanceof ValueDag) return dag.outputList;
  if (outputs === undefined) return 'sinks';
  return leavesOf(outputs);
}
