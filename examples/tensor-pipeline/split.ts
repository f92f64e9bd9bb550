/** Turns a computation traced by jax into a DAG: its expression, cut into stages, and a function for each stage. */
import type { Jaxpr } from '@jax-js/jax';
// In a project of your own: from 'handoffjs'.
import { type Argument, Dag, type FunctionSpec, tasks } from '../../lib/index.ts';
import type { Expression } from './evaluate.ts';

const t = tasks<typeof import('./tasks.ts')>(new URL('./tasks.ts', import.meta.url));

type Equation = Jaxpr['eqns'][number];

/** Whether a stage ends with an equation. */
export type IsCut = (equation: Equation) => boolean;

/**
 * A value of the computation: an entry of the tuple that a stage returns. The tuple of `inputs` has the arguments of
 * the whole computation.
 */
export interface Source {
  readonly stage: string;
  readonly entry: number;
}

export interface Stage {
  readonly id: string;
  readonly args: readonly Source[];
  readonly expression: Expression;
}

/**
 * A stage ends with an equation that `isCut` picks, that several stages use, or that is a result. Stages that do not
 * depend on each other can run at the same time.
 */
export function split(jaxpr: Jaxpr, isCut: IsCut): { readonly stages: Stage[]; readonly outputs: Source[] } {
  const users = new Map<unknown, Set<Equation>>(jaxpr.outs.map((variable) => [variable, new Set()]));
  const lastOf = new Map<Equation, Equation>(); // the last equation of its stage
  for (const equation of jaxpr.eqns.toReversed()) {
    const lasts = new Set(equation.outBinders.flatMap((variable) => [...(users.get(variable) ?? [])]));
    const isLast =
      lasts.size !== 1 || isCut(equation) || equation.outBinders.some((variable) => jaxpr.outs.includes(variable));
    lastOf.set(equation, isLast ? equation : [...lasts][0]!);
    for (const input of equation.inputs) users.set(input, (users.get(input) ?? new Set()).add(lastOf.get(equation)!));
  }
  const sources = new Map<unknown, Source>(
    jaxpr.inBinders.map((variable, entry) => [variable, { stage: 'inputs', entry }]),
  );
  const stages = jaxpr.eqns
    .filter((equation) => lastOf.get(equation) === equation)
    .map((last, i): Stage => {
      const id = `${i + 1}:${last.primitive}`;
      const equations = jaxpr.eqns.filter((equation) => lastOf.get(equation) === last);
      const inputs = [...new Set(equations.flatMap((equation) => equation.inputs))].filter(
        (input) => 'id' in input && sources.has(input),
      );
      const args = inputs.map((input) => sources.get(input)!);
      last.outBinders.forEach((variable, entry) => sources.set(variable, { stage: id, entry }));
      return { id, args, expression: toExpression(inputs, equations, last.outBinders) };
    });
  return { stages, outputs: jaxpr.outs.map((variable) => sources.get(variable)!) };
}

/** Variables are renumbered, so that stages with the same computation have equal expressions. */
function toExpression(
  inputs: Equation['inputs'],
  equations: readonly Equation[],
  outputs: Equation['outBinders'],
): Expression {
  const numbers = new Map<unknown, number>();
  const numberOf = (variable: unknown): number =>
    numbers.set(variable, numbers.get(variable) ?? numbers.size).get(variable)!;
  const toOperand = (operand: Equation['inputs'][number]) =>
    'id' in operand ? numberOf(operand) : { scalar: operand.value, dtype: operand.dtype };
  const toLine = ({ primitive, params, inputs: operands, outBinders }: Equation) => ({
    primitive,
    params,
    operands: operands.map(toOperand),
    outputs: outBinders.map(numberOf),
  });
  return { inputs: inputs.map(numberOf), lines: equations.map(toLine), outputs: outputs.map(numberOf) };
}

/**
 * A function for each stage.
 *
 * @param inputs returns the arguments of the computation as a tuple
 * @param traits other properties of a stage, such as its node
 */
export function toDag(
  name: string,
  stages: readonly Stage[],
  inputs: Omit<FunctionSpec, 'id'>,
  traits: (stage: Stage) => Partial<FunctionSpec> = () => ({}),
): Dag {
  const dag = new Dag(name).add({ ...inputs, id: 'inputs' });
  // `pick` takes one entry of the producer's tuple; it is encoded only on its way to another node.
  const toArgument = ({ stage, entry }: Source): Argument => ({
    id: stage,
    serialize: { code: t.pick, extraArgs: [entry] },
    deserialize: { code: t.unpack },
  });
  for (const stage of stages) {
    const { id, args, expression } = stage;
    dag.add({
      id,
      code: t.compute,
      args: args.map(toArgument),
      argumentInclusion: 'list',
      extraArgs: [expression],
      cost: { cpu: 1 },
      ...traits(stage),
    });
  }
  return dag;
}
