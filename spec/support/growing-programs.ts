/**
 * Random programs with maps, graphs that functions answer with, branches, limits and failures, and what they come to. A
 * program is plain data: its functions get their own steps as arguments, and those that answer with graphs build them
 * from it.
 */
import { Random } from '../../lib/core/random.ts';
import { Dag, type FunctionArgument, type FunctionSpec } from '../../lib/index.ts';

/** What a step does with its arguments: `list` gives numbers, `bit` 0 or 1, `graph` the result of another program. */
export type Kind = 'value' | 'bit' | 'list' | 'graph';

export interface Step {
  readonly id: string;
  readonly kind: Kind;
  readonly args: readonly FunctionArgument[];
  readonly width: number;
  readonly graph?: Program;
  readonly map?: { readonly concurrency?: number; readonly settle?: boolean };
  readonly when?: { readonly id: string; readonly not: boolean };
  readonly uses?: readonly string[];
  /** The first attempt fails. */
  readonly isFlaky: boolean;
  /** Attempts with arguments of this remainder fail, all of them; -1 for none. */
  readonly failsAt: number;
}

export interface Program {
  readonly steps: readonly Step[];
  /** The steps whose results make up that of a function that answers with it. */
  readonly outputs: string | readonly string[];
}

/** A number from any values. Of an error, only that it is one. */
export function hashOf(id: string, values: readonly unknown[]): number {
  const text = JSON.stringify([id, values], (key, value: unknown) => (key === 'error' ? 'error' : value));
  let hash = 7;
  for (let i = 0; i < text.length; i++) hash = (Math.imul(hash, 31) + text.charCodeAt(i)) | 0;
  return hash >>> 0;
}

/** The result of a step that answers with no graph. @throws when it fails for good with these arguments */
export function resultOfStep({ kind, width, failsAt, id }: Step, values: readonly unknown[]): unknown {
  const hash = hashOf(id, values);
  if (hash % 3 === failsAt) throw new Error(`${id} fails`);
  if (kind === 'list') return Array.from({ length: width }, (_, k) => (hash + k) % 1000);
  return kind === 'bit' ? hash % 2 : hash;
}

/** Results as they compare: of an error, only that it is one. */
export function comparable(results: Iterable<readonly [string, unknown]>): Record<string, unknown> {
  const text = JSON.stringify(Object.fromEntries(results), (key, value: unknown) =>
    key === 'error' ? 'error' : value,
  );
  return JSON.parse(text) as Record<string, unknown>;
}

const skipped = Symbol('skipped');

/** The results of a program: of its steps that are not skipped. @throws when one of them fails for good */
export function resultsOf({ steps }: Program, given: readonly unknown[] = []): Map<string, unknown> {
  const results = new Map<string, unknown>();
  for (const step of steps) {
    const value = runStep(step, results, given);
    results.set(step.id, value);
  }
  for (const [id, value] of results) if (value === skipped) results.delete(id);
  return results;
}

function runStep(step: Step, results: ReadonlyMap<string, unknown>, given: readonly unknown[]): unknown {
  const { when, map } = step;
  if (when !== undefined) {
    const decides = results.get(when.id);
    if (decides === skipped || Boolean(decides) === when.not) return skipped;
  }
  const values = step.args.map((arg) => argument(arg, results));
  if (values.includes(skipped)) return skipped;
  if (map === undefined) return call(step, [...values, ...given]);
  const [list, ...rest] = values;
  return (list as unknown[]).map((item) => {
    if (map.settle !== true) return call(step, [item, ...rest, ...given]);
    try {
      return { ok: true, value: call(step, [item, ...rest, ...given]) };
    } catch (error) {
      return { ok: false, error };
    }
  });
}

function argument(arg: FunctionArgument, results: ReadonlyMap<string, unknown>): unknown {
  if (typeof arg === 'string') return results.get(arg);
  if ('optional' in arg) return results.get(arg.optional) === skipped ? undefined : results.get(arg.optional);
  if ('anyOf' in arg) {
    const taken = arg.anyOf.find((id) => results.get(id) !== skipped);
    return taken === undefined ? skipped : results.get(taken);
  }
  throw new Error('no program has such an argument');
}

function call(step: Step, values: readonly unknown[]): unknown {
  const value = resultOfStep(step, values); // with a graph, it may fail before it answers
  if (step.graph === undefined) return value;
  const { outputs } = step.graph;
  const results = resultsOf(step.graph, [value]);
  return typeof outputs === 'string'
    ? results.get(outputs)
    : Object.fromEntries(outputs.map((id) => [id, results.get(id)]));
}

/** The DAG of a program. @param given goes to each function, behind its arguments */
export function toDag({ steps }: Program, code: FunctionSpec['code'], given: readonly unknown[] = []): Dag {
  const dag = new Dag('program');
  for (const step of steps) dag.add(toSpec(step, code, given));
  return dag;
}

function toSpec(step: Step, code: FunctionSpec['code'], given: readonly unknown[]): FunctionSpec {
  const { id, args, map, when, uses } = step;
  return { id, code, args, map, when, uses, extraArgs: [...given, step], maxRetries: step.isFlaky ? 1 : 0 };
}

export const limits = { slots: 2, few: 3 };

/** A program from a seed, which does not fail as a whole. */
export function randomProgram(seed: number): Program {
  const random = new Random(seed);
  return draw(random, random.integer(1, 12), 2, false);
}

/** @param mayFail whether it is inside an element whose error is its result */
function draw(random: Random, size: number, depth: number, mayFail: boolean): Program {
  const steps: Step[] = [];
  for (let i = 0; i < size; i++) steps.push(valid(steps, drawStep(random, steps, depth, mayFail)));
  const id = (): string => random.pick(steps).id;
  return { steps, outputs: random.chance(0.6) ? id() : [...new Set([id(), id()])] };
}

function drawStep(random: Random, before: readonly Step[], depth: number, mayFail: boolean): Step {
  const lists = before.filter(({ kind, map }) => kind === 'list' || map !== undefined).map(({ id }) => id);
  const other = (): string => random.pick(before).id;
  const args: FunctionArgument[] = before.length === 0 ? [] : Array.from({ length: random.integer(0, 3) }, other);
  const isMap = lists.length > 0 && random.chance(0.5);
  const settles = isMap && random.chance(0.4);
  const rest = args.map((arg): FunctionArgument => {
    if (random.chance(0.7)) return arg;
    return random.chance(0.5) ? { optional: arg as string } : { anyOf: [...new Set([arg as string, other()])] };
  });
  const kind = random.pick(['value', 'bit', 'list', ...(depth > 0 ? ['graph' as const] : [])] as const);
  return {
    id: `s${before.length}`,
    kind,
    args: isMap ? [random.pick(lists), ...rest] : rest,
    width: random.pick([0, 1, 2, 3, 7]),
    ...(kind === 'graph' && { graph: draw(random, random.integer(1, 5), depth - 1, mayFail || settles) }),
    ...(isMap && {
      map: { ...(settles && { settle: true }), ...(random.chance(0.3) && { concurrency: random.integer(1, 3) }) },
    }),
    ...(before.length > 0 && random.chance(0.3) && { when: { id: other(), not: random.chance(0.5) } }),
    ...(random.chance(0.15) && { uses: [random.pick(Object.keys(limits))] }),
    isFlaky: random.chance(0.1),
    failsAt: (mayFail || settles) && random.chance(0.5) ? 0 : -1,
  };
}

/** The step; without its condition and alternatives if the DAG is refused because of them. */
function valid(before: readonly Step[], step: Step): Step {
  const isValid = (each: Step): boolean =>
    toDag({ steps: [...before, each], outputs: [] }, { module: 'file:///tasks.js', export: 'run' }).validate().ok;
  if (isValid(step)) return step;
  const { when: _, ...unconditional } = step;
  if (isValid(unconditional)) return unconditional;
  const { map: __, ...plain } = unconditional;
  return { ...plain, args: [] };
}
