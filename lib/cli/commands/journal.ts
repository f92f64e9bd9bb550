/** The commands that read and change a journal: `runs`, `show`, `cancel`, `resume`, `submit` and `journal compact`. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { leavesOf } from '../../core/output-shape.ts';
import type { DagJson } from '../../dag/dag.ts';
import { readConfig } from '../../runtime/options/config.ts';
import type { Journal, RunState, RunSummaryRow } from '../../journal/journal.ts';
import { decodeChunk } from '../../journal/codec.ts';
import { replay, type RunHistory } from '../../journal/replay.ts';
import { recordedEvents } from '../../runtime/durable/recorded-events.ts';
import { unfinished } from '../../runtime/durable/recorded-run.ts';
import { type JournalOptions, resolveJournal } from '../../runtime/options/journal-options.ts';
import { runStates } from '../flags/choices.ts';
import { describeError, ExitCode, exitCodeOf, UsageError } from '../exit.ts';
import { type HandoffFlags, journalOf } from '../flags/flags.ts';
import { loadDag } from '../load.ts';
import { OutputFile } from '../output/output-file.ts';
import { toJson, toNumber, toTable, toText } from '../output/output.ts';
import { printable } from '../output/printable.ts';
import { printResults } from '../output/results.ts';
import { settled, withHandoff } from '../start.ts';
import { print } from '../output/stdout.ts';

export interface JournalFlags {
  readonly journal?: string;
  readonly config?: string;
  readonly json?: boolean;
}

export interface ShowFlags extends JournalFlags {
  readonly report?: string;
}

export interface RunsFlags extends JournalFlags {
  readonly state?: string;
  readonly limit?: string;
}

export interface ResumeFlags extends HandoffFlags {
  readonly retry?: readonly string[];
  readonly result?: readonly string[];
  readonly json?: boolean;
}

export interface SubmitFlags extends HandoffFlags {
  readonly runId?: string;
}

/** Lists the runs of a journal. Resolves to the exit code. */
export function listRuns(flags: RunsFlags): Promise<number> {
  const { state, limit } = flags;
  if (state !== undefined && !runStates.includes(state as RunState))
    throw new UsageError(`--state: ${JSON.stringify(state)} is not a state. States: ${runStates.join(', ')}.`);
  return withJournal(flags, async (journal) => {
    const rows = await journal.list({
      state: state as RunState | undefined,
      ...(limit !== undefined && { limit: toNumber('--limit', limit) }),
    });
    if (flags.json === true) print(toJson(rows));
    else if (rows.length === 0)
      process.stderr.write(`The journal has no ${state === undefined ? 'runs' : `${state} runs`}.\n`);
    else print(toTable(['run', 'DAG', 'state', 'done', 'submitted', 'took'], rows.map(toRow)));
    return ExitCode.done;
  });
}

/** Shows one run of a journal: its state, its error, and the functions that have not finished. */
export async function showRun(runId: string, flags: ShowFlags): Promise<number> {
  const file = flags.report === undefined ? undefined : new OutputFile('--report', flags.report);
  try {
    return await showInto(file, runId, flags);
  } finally {
    file?.close();
  }
}

/** @param file gets the report of the run */
function showInto(file: OutputFile | undefined, runId: string, flags: ShowFlags): Promise<number> {
  return withJournal(flags, async (journal) => {
    const row = await find(journal, runId);
    if (file !== undefined) {
      const { reportOf } = await import('../../dashboard/report.ts');
      await file.write(reportOf(await recordedEvents(journal, row)));
    }
    const history = await historyOf(journal, runId);
    const { dag } = history.submitted;
    const lists = await unfinished(journal, runId, history);
    if (flags.json === true) {
      print(toJson({ ...row, dag, options: history.submitted.options, ended: history.ended }));
      return ExitCode.done;
    }
    print(toTable(['run', 'DAG', 'state', 'done', 'submitted', 'took'], [toRow(row)]));
    for (const [title, all] of Object.entries(lists)) if (all.length > 0) print(`${title}: ${listed(all)}`);
    const { error } = history.ended ?? {};
    if (error !== undefined) print(`error: ${'message' in error ? printable(String(error.message)) : toText(error)}`);
    return ExitCode.done;
  });
}

/** Cancels a run of a journal, wherever it runs. */
export async function cancelRun(runId: string, flags: HandoffFlags): Promise<number> {
  await needJournal(flags);
  return withHandoff({ ...flags, ...nothingOfOwn }, 'orchestrator', async (handoff) => {
    const isCancelled = await handoff.cancel(runId);
    process.stderr.write(
      isCancelled ? `Run ${printable(runId)} is cancelled.\n` : `Run ${printable(runId)} had ended.\n`,
    );
    return isCancelled ? ExitCode.done : ExitCode.functionFailed;
  });
}

/** Continues a run of a journal in this process, and prints its results. */
export async function resumeRun(runId: string, flags: ResumeFlags): Promise<number> {
  const results = Object.fromEntries((flags.result ?? []).map(parseResult));
  const outputs = await outputsOf(runId, flags);
  return withHandoff(flags, 'orchestrator', async (handoff) => {
    const handle = await handoff.resume(runId, { retry: flags.retry ?? [], results });
    const outcome = await settled(handle.result());
    if (!outcome.ok) {
      process.stderr.write(`${describeError(outcome.error)}\n`);
      return exitCodeOf(outcome.error);
    }
    printResults(outputs, outcome.value, flags.json === true);
    return ExitCode.done;
  });
}

/** The outputs of a recorded DAG, in their shape; undefined when it has none, or the run was to give other results. */
async function outputsOf(runId: string, flags: JournalFlags): Promise<DagJson['outputs']> {
  let outputs: DagJson['outputs'];
  await withJournal(flags, async (journal) => {
    await find(journal, runId);
    const { dag, options } = (await historyOf(journal, runId)).submitted;
    const isOther =
      options.collect !== undefined &&
      dag.outputs !== undefined &&
      !isDeepStrictEqual(options.collect, leavesOf(dag.outputs));
    outputs = isOther ? undefined : dag.outputs;
    return ExitCode.done;
  });
  return outputs;
}

/** Records the DAG of a file in a journal, for a process that takes it up. Prints the id of the run. */
export async function submitRun(file: string, args: readonly string[], flags: SubmitFlags): Promise<number> {
  const { dag } = await loadDag(file, args);
  return withHandoff({ ...flags, ...nothingOfOwn }, 'orchestrator', async (handoff) => {
    const { runId } = await handoff.submit(dag, { ...(flags.runId !== undefined && { runId: flags.runId }) });
    print(runId);
    return ExitCode.done;
  });
}

/** Deletes old runs of a journal. */
export function compactJournal(flags: JournalFlags): Promise<number> {
  return withJournal(flags, async (journal) => {
    const count = await journal.compact();
    process.stderr.write(`${count} ${count === 1 ? 'run' : 'runs'} deleted.\n`);
    return ExitCode.done;
  });
}

/** What only records needs no threads of its own. */
const nothingOfOwn = { nodes: 'journal:threads=1,cpu=0' };

/**
 * The journal that a flag or the configuration file names, for commands that read one.
 *
 * @throws `UsageError` if none is named, or if the folder holds none: opening it would create an empty one
 */
async function needJournal(flags: JournalFlags): Promise<JournalOptions> {
  const { options } = await readConfig(flags.config);
  const given: JournalOptions | undefined = flags.journal === undefined ? options.journal : journalOf(flags.journal);
  if (given === undefined)
    throw new UsageError(
      '--journal DIR is missing. Give the folder of the journal, or the URL of its database (or journal in the configuration file).',
    );
  if ('path' in given && typeof given.path === 'string' && !existsSync(join(given.path, 'journal.db')))
    throw new UsageError(
      `There is no journal in ${given.path}. Give its folder with --journal DIR; handoff run and handoff submit create one.`,
    );
  return given;
}

async function withJournal(flags: JournalFlags, use: (journal: Journal) => Promise<number>): Promise<number> {
  const given = await needJournal(flags);
  const journal = await resolveJournal(given).open();
  try {
    return await use(journal);
  } finally {
    await journal.close();
  }
}

async function find(journal: Journal, runId: string): Promise<RunSummaryRow> {
  const row = await journal.find(runId);
  if (row === undefined)
    throw new UsageError(`The journal has no run ${JSON.stringify(runId)}. \`handoff runs\` lists them.`);
  return row;
}

async function historyOf(journal: Journal, runId: string): Promise<RunHistory> {
  const chunks = await journal.read(runId);
  return replay(chunks.flatMap((chunk, at) => decodeChunk(chunk, `run ${runId}, position ${at}`)));
}

/** The first few names, and how many more there are. */
function listed(all: readonly string[]): string {
  const shown = all.slice(0, 20).map(printable).join(', ');
  return all.length > 20 ? `${shown}, and ${all.length - 20} more` : shown;
}

function toRow({ runId, dagId, state, done, functions, submittedAt, endedAt }: RunSummaryRow): (string | number)[] {
  const took = endedAt === undefined ? '' : `${((endedAt - submittedAt) / 1000).toFixed(1)} s`;
  return [
    printable(runId),
    printable(dagId),
    state,
    `${done} of ${functions}`,
    new Date(submittedAt).toISOString(),
    took,
  ];
}

function parseResult(text: string): [string, unknown] {
  const at = text.indexOf('=');
  if (at > 0) {
    try {
      return [text.slice(0, at), JSON.parse(text.slice(at + 1))];
    } catch {
      // refused below
    }
  }
  throw new UsageError(`--result: ${JSON.stringify(text)} is not ID=JSON, such as pay='{"ok":true}'.`);
}
