/** `handoff graph <file>`: the DAG as a picture, or as text that others draw. */
import { toDot, toMermaid, toSvg } from '../dag/draw.ts';
import { describeError, ExitCode, UsageError } from './exit.ts';
import { loadDag } from './load.ts';
import { print } from './output.ts';

export const formats = ['mermaid', 'dot', 'svg', 'json'] as const;

/** Prints the DAG of a file. One that is not valid is drawn as far as it goes, and refused by the exit code. */
export async function graph(file: string, args: readonly string[], { format }: { readonly format: string }): Promise<number> {
  if (!formats.includes(format as (typeof formats)[number])) throw new UsageError(`--format is one of ${formats.join(', ')}; not ${format}.`);
  const { dag } = await loadDag(file, args);
  switch (format as (typeof formats)[number]) {
    case 'mermaid': print(toMermaid(dag)); break;
    case 'dot': print(toDot(dag)); break;
    case 'svg': print(await toSvg(dag)); break;
    case 'json': print(JSON.stringify(dag, null, 2)); break;
  }
  const check = dag.validate();
  if (check.ok) return ExitCode.done;
  process.stderr.write(`${describeError(check.error)}\n`);
  return ExitCode.wrongUsage;
}
