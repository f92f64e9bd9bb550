/** Random DAGs, and the ten lines that say what any of them must give. */
import fc from 'fast-check';
import type { Cost, FunctionSpec } from '../../lib/index.ts';

export interface Vertex {
  readonly id: string;
  readonly args: readonly string[];
  readonly type: 'regular' | 'inline';
  readonly cost?: Cost;
  readonly node?: string | { readonly collocatedWith: string };
  readonly priority?: number;
  readonly maxRetries?: number;
  /** How many attempts fail before one succeeds; Infinity: all. */
  readonly failures: number;
}

/** What a function gives for its arguments: any change in order, number or value changes it. */
export function combine(id: string, args: readonly number[]): number {
  return args.reduce(
    (hash, value) => (Math.imul(hash, 31) + value) | 0,
    [...id].reduce((hash, c) => hash * 7 + c.charCodeAt(0), 3) | 0,
  );
}

/** The reference: what each function gives, one after the other. */
export function interpret(all: readonly Vertex[]): Map<string, number> {
  const values = new Map<string, number>();
  for (const { id, args } of all)
    values.set(
      id,
      combine(
        id,
        args.map((arg) => values.get(arg)!),
      ),
    );
  return values;
}

/** What a run that keeps going has in the end: failed functions, all without a result, and the results. */
export function afterFailures(
  all: readonly Vertex[],
  maxRetries: number,
): {
  readonly failing: ReadonlySet<string>;
  readonly lost: ReadonlySet<string>;
  readonly left: Record<string, number>;
} {
  const expected = interpret(all);
  const failing = new Set(
    all.filter((vertex) => vertex.failures > (vertex.maxRetries ?? maxRetries)).map(({ id }) => id),
  );
  const lost = new Set(failing);
  for (const { id, args } of all) if (args.some((arg) => lost.has(arg))) lost.add(id);
  const kept = all.filter(({ id, type }) => type === 'regular' && !lost.has(id));
  return { failing, lost, left: Object.fromEntries(kept.map(({ id }) => [id, expected.get(id)!])) };
}

export interface GraphOptions {
  readonly maxSize?: number;
  readonly inline?: boolean;
  readonly costs?: boolean;
  readonly nodes?: readonly string[];
  readonly failures?: boolean;
  /** How large they mostly are, as fast-check has it. */
  readonly size?: fc.Size | undefined;
}

/** Vertices in a topological order, each on some of those before it. */
export function vertices({
  maxSize = 30,
  inline = true,
  costs = true,
  nodes = [],
  failures = true,
  size,
}: GraphOptions = {}): fc.Arbitrary<Vertex[]> {
  const seed = fc.record({
    picks: fc.array(fc.nat(), { maxLength: 4 }),
    inline: fc.integer({ min: 0, max: 9 }),
    cost: fc.constantFrom(undefined, undefined, { cpu: 1 }, { cpu: 2 }, { memory: 300 }, { cpu: 1, memory: 700 }),
    placement: fc.integer({ min: 0, max: 11 }),
    target: fc.nat(),
    priority: fc.constantFrom(undefined, undefined, 1, 5),
    maxRetries: fc.constantFrom(undefined, 0, 2),
    failures: fc.constantFrom(0, 0, 0, 0, 1, 2, Infinity),
  });
  // Half of them without any priority: where there is one, nothing is sent ahead of its turn.
  return fc
    .tuple(fc.array(seed, { minLength: 0, maxLength: maxSize, ...(size !== undefined && { size }) }), fc.boolean())
    .map(([seeds, prioritized]) => {
      const made: Vertex[] = [];
      for (const [i, each] of seeds.entries()) {
        const type = inline && each.inline === 0 ? 'inline' : 'regular';
        const regular = made.filter((vertex) => vertex.type === 'regular');
        const placed = type === 'regular' ? placement(each.placement, each.target, regular, nodes) : undefined;
        made.push({
          id: `f${i}`,
          args: i === 0 ? [] : each.picks.map((pick) => `f${pick % i}`),
          type,
          failures: failures && type === 'regular' ? each.failures : 0,
          ...(costs && type === 'regular' && each.cost !== undefined && { cost: each.cost }),
          ...(placed !== undefined && { node: placed }),
          ...(prioritized && each.priority !== undefined && { priority: each.priority }),
          ...(each.maxRetries !== undefined && { maxRetries: each.maxRetries }),
        });
      }
      return made;
    });
}

function placement(kind: number, target: number, regular: readonly Vertex[], nodes: readonly string[]): Vertex['node'] {
  if (kind === 0 && nodes.length > 0) return nodes[target % nodes.length]!;
  if (kind === 1 && regular.length > 0) return { collocatedWith: regular[target % regular.length]!.id };
  return undefined;
}

/** The vertices as functions of a DAG. */
export function toSpecs(all: readonly Vertex[], code: FunctionSpec['code']): FunctionSpec[] {
  return all.map(({ failures: _, ...vertex }) => ({ ...vertex, code }));
}
