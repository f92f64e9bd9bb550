/**
 * `handoff plot <file>`: draws a traced run as a Gantt chart, with the resources that were claimed and used on each
 * node.
 */
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

/** Draws a trace file as SVG, to stdout or into a file. */
export async function plot(file: string, flags: PlotFlags): Promise<number> {
  const svg = flags.svg === undefined ? undefined : new OutputFile('--svg', flags.svg);
  try {
    const run = readTraceFile(file);
    const picture = ganttSvg(run.gantt, {
      title: `Run ${run.dagId}`,
      subtitle: `${run.functions} functions in ${formatMs(run.duration)}`,
      usage: run.usage,
    });
    if (svg === undefined) print(picture);
    else await svg.write(picture);
    return ExitCode.done;
  } finally {
    svg?.close();
  }
}

/** @throws `UsageError` when the file cannot be read, or is not a trace */
export function readTraceFile(file: string): TracedRun {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new UsageError(`${file} cannot be read: ${(error as Error).message}.`);
  }
  try {
    return readTrace(text);
  } catch (error) {
    if (error instanceof NotATrace)
      throw new UsageError(
        `${file} is not a trace of a run: ${error.message}. Write one with handoff run pipeline.ts --trace FILE.`,
      );
    throw error;
  }
}
