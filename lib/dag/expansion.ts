/** `expand(…)`: the answer of a function that is a graph. The result of that graph becomes the result of the function. */
import { HandoffError } from '../core/errors.ts';
import type { OutputShape } from '../core/output-shape.ts';
import { show } from '../core/show.ts';
import { Dag, sharedJsonOf } from './dag.ts';
import { answer, type GraphAnswer } from './expansion-answer.ts';
import { dag, type Outputs, type Resolved, ValueDag } from './value-dag.ts';

declare const expanded: unique symbol;

/** What a function returns that answers with a graph whose result is a `Value`. A task of it returns a `Call<Value>`. */
export interface Expand<out Value> {
  /** Exists only in types. */
  readonly [expanded]: Value;
}

/**
 * Answers with a graph: its result becomes the result of the function that returns it. The functions of the graph have
 * ids below that of the function, as `sort/merge#1`, and may answer with graphs themselves. No thread waits meanwhile.
 *
 * @param out a call, a list of calls, or a record of calls; each may also be a `choose` or an `optional`
 * @returns what the function is to return
 * @throws what `dag` throws for malformed calls
 * @example
 * ```ts
 * import { expand, type Expand, tasks } from 'handoffjs/task';
 * const self = tasks<typeof import('./tasks.ts')>(import.meta.url);
 *
 * export function sum(from: number, to: number): number | Expand<number> {
 *   if (to - from < 1000) return sumHere(from, to);
 *   const middle = (from + to) >> 1;
 *   return expand(self.add(self.sum(from, middle), self.sum(middle, to)));
 * }
 * ```
 */
export function expand<const Out extends Outputs>(out: Out): Expand<Resolved<Out>>;
/**
 * The same with a DAG of calls, whose outputs make up the result.
 *
 * @param graph the DAG
 * @returns what the function is to return
 */
export function expand<Out extends Outputs>(graph: ValueDag<Out>): Expand<Resolved<Out>>;
/**
 * The same with a DAG and the ids of the functions whose results are wanted.
 *
 * @param graph the DAG
 * @param outputs an id, whose result becomes the result; or a list of ids, for a record of their results by id
 * @returns what the function is to return
 * @throws `INVALID_OPTION` when `outputs` is missing; `MISSING_FUNCTION` when the DAG has no such function
 */
export function expand(graph: Dag, outputs: string): Expand<any>;
export function expand<const Id extends string>(graph: Dag, outputs: readonly Id[]): Expand<Record<Id, any>>;
export function expand(given: Outputs | Dag, outputs?: string | readonly string[]): Expand<never> {
  const graph = given instanceof Dag ? given : dag('expansion', given);
  const value: GraphAnswer = { dag: sharedJsonOf(graph), outputs: outputsOf(graph, outputs) };
  return Object.freeze({ [answer]: value }) as unknown as Expand<never>;
}

function outputsOf(graph: Dag, given: string | readonly string[] | undefined): OutputShape<string> {
  if (given === undefined && graph instanceof ValueDag) return graph.outputIds;
  const ids = typeof given === 'string' ? [given] : given;
  if (!Array.isArray(ids) || ids.length === 0 || !ids.every((id) => typeof id === 'string')) {
    const text = `expand() of a Dag takes the id of the function whose result is wanted, or a list of ids, got ${show(given)}. Name at least one.`;
    throw new HandoffError('INVALID_OPTION', text, { option: 'outputs' });
  }
  for (const id of ids as readonly string[]) checkOutput(graph, id);
  return typeof given === 'string' ? given : Object.fromEntries(ids.map((id) => [id, id]));
}

function checkOutput(graph: Dag, id: string): void {
  const type = graph.get(id)?.type;
  if (type === 'regular') return;
  const problem = type === undefined ? 'is not in the DAG' : `is ${type}, and has no result of its own`;
  const text = `expand() is to give the result of ${show(id)}, which ${problem}. Name a regular function of the DAG.`;
  throw new HandoffError('MISSING_FUNCTION', text, { missing: id });
}
