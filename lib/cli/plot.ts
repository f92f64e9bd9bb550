/** `handoff plot <file>`: a run that was traced as a picture: what ran where and when, and what was held and used of the nodes. */
import { readFileSync } from 'node:fs';
import { ganttSvg } from '../report/gantt-svg.ts';
import { NotATrace, readTrace, type TracedRun } from '../report/trace-file.ts';
import { ExitCode, UsageError } from './exit.ts';
import { formatMs } from './output.ts';
import { OutputFile } from './output-file.ts';
import { print } from './stdout.ts';

export interface PlotFlags {
  readonly svg?: string;
}

/** Draws a trace file, to stdout or into a file. */
export async function plot(file: string, flags: PlotFlags): Promise<number> {
  const svg = flags.svg === undefined ? undefined : new OutputFile('--svg', flags.svg);
  try {
    const run = read(file);
    const picture = ganttSvg(run.gantt, { title: `Run ${run.dagId}`, subtitle: `${run.functions} functions in ${formatMs(run.duration)}`, usage: run.usage });
    if (svg === undefined) print(picture);
    else await svg.write(picture);
    return ExitCode.done;
  } finally {
    svg?.close();
  }
}

function read(file: string): TracedRun {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new UsageError(`${file} cannot be read: ${(error as Error).message}.`);
  }
  try {
    return readTrace(text);
  } catch (error) {
    if (error instanceof NotATrace) throw new UsageError(`${file} is no trace of a run: ${error.message}. handoff run pipeline.ts --trace FILE writes one.`);
    throw error;
  }
}
