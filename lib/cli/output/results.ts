/** The results of a run on stdout, in the shape of the outputs of its DAG. */
import { isSlot } from '../../core/output-shape.ts';
import type { DagJson } from '../../dag/dag.ts';
import { pickOutputs } from '../../dag/value-dag.ts';
import type { ExecuteResult } from '../../runtime/run-result.ts';
import { toJson, toText } from './output.ts';
import { printable } from './printable.ts';
import { print } from './stdout.ts';

type Outputs = DagJson['outputs'];

/** @param outputs the ids of the outputs, in their shape; undefined: results are printed by id */
export function printResults(outputs: Outputs, result: ExecuteResult, asJson: boolean): void {
  const { results } = result;
  print(asJson ? toJson({ ...result, results: shaped(outputs, results) }) : resultText(outputs, results));
}

export function resultText(outputs: Outputs, results: ExecuteResult['results']): string {
  const value = shaped(outputs, results);
  if (outputs !== undefined && isSlot(outputs)) return toText(value);
  if (!Array.isArray(outputs)) {
    return Object.entries(value as Record<string, unknown>)
      .map(([name, each]) => `${printable(name)}: ${toText(each)}`)
      .join('\n');
  }
  return (value as unknown[]).map(toText).join('\n');
}

function shaped(outputs: Outputs, results: ExecuteResult['results']): unknown {
  return outputs === undefined ? results : pickOutputs(outputs, results);
}
