/** Expressions as plain data, and their conversion back to jax. */
import { jit, lax, numpy as np, type OwnedFunction } from '@jax-js/jax';

type Operand = number | { readonly scalar: number; readonly dtype: string };

/** Equations in an order in which they can be computed. Variables are numbers. */
export interface Expression {
  readonly inputs: readonly number[];
  readonly lines: readonly {
    readonly primitive: string;
    readonly params: Readonly<Record<string, any>>;
    readonly operands: readonly Operand[];
    readonly outputs: readonly number[];
  }[];
  readonly outputs: readonly number[];
}

type Compiled = OwnedFunction<(inputs: np.Array[]) => np.Array[]>;
type Rule = (operands: np.Array[], params: Readonly<Record<string, any>>) => np.Array | np.Array[];

const unary =
  (fn: (x: np.Array) => np.Array): Rule =>
  ([x]) =>
    fn(x!);
const binary =
  (fn: (x: np.Array, y: np.Array) => np.Array): Rule =>
  ([x, y]) =>
    fn(x!, y!);
const reductions: Readonly<Record<string, (x: np.Array, axis: number[]) => np.Array>> = {
  Add: np.sum,
  Mul: np.prod,
  Min: np.min,
  Max: np.max,
};
const comparisons: Readonly<Record<string, (x: np.Array, y: np.Array) => np.Array>> = {
  less: np.less,
  equal: np.equal,
  not_equal: np.notEqual,
  less_equal: np.lessEqual,
};

/** The jax function for each primitive. */
const rules: Readonly<Record<string, Rule>> = {
  add: binary(np.add),
  mul: binary(np.multiply),
  min: binary(np.minimum),
  max: binary(np.maximum),
  dot: binary((x, y) => np.vecdot(x, y)),
  neg: unary(np.negative),
  reciprocal: unary(np.reciprocal),
  floor: unary(np.floor),
  ceil: unary(np.ceil),
  sqrt: unary(np.sqrt),
  exp: unary(np.exp),
  log: unary(np.log),
  sin: unary(np.sin),
  cos: unary(np.cos),
  asin: unary(np.asin),
  atan: unary(np.atan),
  erf: unary(lax.erf),
  erfc: unary(lax.erfc),
  cholesky: unary(np.linalg.cholesky),
  cast: ([x], { dtype }) => x!.astype(dtype),
  reduce: ([x], { op, axis }) => reductions[op]!(x!, axis),
  compare: ([x, y], { op }) => comparisons[op]!(x!, y!),
  where: ([condition, x, y]) => np.where(condition!, x!, y!),
  concatenate: (xs, { axis }) => np.concatenate(xs, axis),
  split: ([x], { axis, sizes }) => np.split(x!, ends(sizes), axis),
  transpose: ([x], { perm }) => np.transpose(x!, perm),
  reshape: ([x], { shape }) => np.reshape(x!, shape),
  broadcast: ([x], { shape, axis }) => np.broadcastTo(np.expandDims(x!, axis), shape),
  flip: ([x], { axis }) => np.flip(x!, axis),
  shrink: ([x], { slice }) => x!.slice(...slice),
  pad: ([x], { width }) => np.pad(x!, width),
};

/** The ends of the parts of a split, except the last. */
function ends(sizes: readonly number[]): number[] {
  return sizes.slice(0, -1).map((_, i) => sizes.slice(0, i + 1).reduce((sum, size) => sum + size, 0));
}

/** A function that jax compiles to WebAssembly at its first call. */
export function compile({ inputs, lines, outputs }: Expression): Compiled {
  return jit((values: np.Array[]) => {
    const variables = new Map(inputs.map((variable, i) => [variable, values[i]!]));
    // A call in jax consumes its operands, unless it receives a reference of its own.
    const read = (operand: Operand): np.Array =>
      typeof operand === 'number'
        ? variables.get(operand)!.ref
        : np.array(operand.scalar, { dtype: operand.dtype as np.DType });
    for (const { primitive, params, operands, outputs: to } of lines) {
      const rule = rules[primitive];
      if (rule === undefined)
        throw new Error(`This example has no rule for the primitive ${primitive}. Add it to the table in evaluate.ts.`);
      const made = rule(operands.map(read), params);
      (Array.isArray(made) ? made : [made]).forEach((value, i) => variables.set(to[i]!, value));
    }
    const results = outputs.map(read);
    for (const value of variables.values()) value.dispose();
    return results;
  });
}
