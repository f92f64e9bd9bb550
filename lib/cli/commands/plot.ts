/**
 * `handoff plot <file>`: draws a traced run as a Gantt chart, with the resources that were claimed and used on each
 * node.
 */
import { ganttSvg } from '../../report/gantt-svg.ts';
import { ExitCode } from '../exit.ts';
import { formatMs } from '../output/output.ts';
import { OutputFile } from '../output/output-file.ts';
import { print } from '../output/stdout.ts';
import { readTraceFile } from '../trace-input.ts';

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
