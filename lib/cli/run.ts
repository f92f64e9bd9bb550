/** `handoff run <file>`. */
import { writeFileSync } from 'node:fs';
import { ValueDag } from '../dag/value-dag.ts';
import type { ExecuteResult } from '../runtime/outcome.ts';
import { TraceRecorder } from '../observe/trace.ts';
import { isHandoffError } from '../errors.ts';
import { describeError, exitCodeOf, ExitCode } from './exit.ts';
import { onInterrupt } from './interrupt.ts';
import { loadDag, type LoadedDag } from './load.ts';
import type { HandoffFlags } from './flags.ts';
import { checkWritable, formatMs, print, toJson, toText } from './output.ts';
import { createProgressView } from './progress-view.ts';
import { startHandoff } from './start.ts';

export interface RunFlags extends HandoffFlags {
  readonly progress: boolean;
  readonly json?: boolean;
  readonly trace?: string;
  readonly summary?: string;
}

/** Runs the DAG of a file; resolves to the exit code. */
export async function run(file: string, args: readonly string[], flags: RunFlags): Promise<number> {
  const say = (line: string): void => void process.stderr.write(`${line}\n`);
  // Asked before, not found out after hours of work.
  for (const name of ['trace', 'summary'] as const) if (flags[name] !== undefined) checkWritable(`--${name}`, flags[name]);
  const loaded = await loadDag(file, args);
  const { dag } = loaded;
  const handoff = await startHandoff(flags, 'orchestrator');
  const interrupt = onInterrupt('Finishing the functions that run; no other is started. Once more to end now.', () => handoff.stop({ drain: 'functions' }));
  if (handoff.address !== undefined) say(`listening on ${handoff.address}`);
  const trace = flags.trace === undefined ? undefined : new TraceRecorder({ dagId: dag.id, dependencies: new Map([...dag.functions].map(([id, fn]) => [id, fn.args])) });
  const progress = flags.progress ? createProgressView(dag.id, process.stderr) : undefined;
  if (trace !== undefined) handoff.on('event', (event) => trace.record(event));
  if (progress !== undefined) handoff.on('event', (event) => progress.record(event));
  handoff.on('function:log', ({ functionId, values }) => say(`${functionId}: ${values.map(toText).join(' ')}`));
  try {
    const result = await handoff.execute(dag, { collect: outputsOf(loaded) });
    progress?.close();
    print(flags.json === true ? toJson({ ...result, results: shaped(loaded, result.results) }) : resultText(loaded, result));
    if (progress !== undefined) say(`${result.stats.functions} functions in ${formatMs(result.stats.durationMs)} on ${Object.entries(result.stats.nodes).map(([node, count]) => `${node} (${count})`).join(', ')}`);
    if (flags.summary !== undefined) writeFileSync(flags.summary, `${toJson({ dagId: dag.id, ok: true, ...result.stats, allocations: result.allocations })}\n`);
    return ExitCode.done;
  } catch (error) {
    progress?.close();
    if (interrupt.exitCode !== undefined && isHandoffError(error, 'STOPPED')) return interrupt.exitCode;
    say(describeError(error));
    if (flags.summary !== undefined) writeFileSync(flags.summary, `${toJson({ dagId: dag.id, ok: false, error })}\n`);
    return exitCodeOf(error);
  } finally {
    if (trace !== undefined) writeFileSync(flags.trace!, `${JSON.stringify(trace)}\n`);
    await handoff.stop();
    interrupt.dispose();
  }
}

function outputsOf({ dag, outputs }: LoadedDag): 'sinks' | readonly string[] {
  if (dag instanceof ValueDag) return dag.outputList;
  if (outputs === undefined) return 'sinks';
  return typeof outputs === 'string' ? [outputs] : Object.values(outputs);
}

/** Results in the shape of the outputs; of a plain DAG by id. */
function shaped({ outputs }: LoadedDag, results: Readonly<Record<string, unknown>>): unknown {
  if (outputs === undefined) return results;
  if (typeof outputs === 'string') return results[outputs];
  if (Array.isArray(outputs)) return outputs.map((id: string) => results[id]);
  return Object.fromEntries(Object.entries(outputs).map(([name, id]) => [name, results[id as string]]));
}

function resultText(loaded: LoadedDag, { results }: ExecuteResult): string {
  const value = shaped(loaded, results);
  if (loaded.outputs === undefined || (typeof loaded.outputs === 'object' && !Array.isArray(loaded.outputs))) {
    return Object.entries(value as Record<string, unknown>).map(([name, each]) => `${name}: ${toText(each)}`).join('\n');
  }
  return Array.isArray(loaded.outputs) ? (value as unknown[]).map(toText).join('\n') : toText(value);
}
