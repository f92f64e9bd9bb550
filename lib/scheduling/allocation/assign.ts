/** Calls an allocator and validates its answer. */
import { show } from '../../core/show.ts';
import { functionOf } from '../../dag/compile/compile.ts';
import type { CompiledDag } from '../../dag/compile/compiled-dag.ts';
import type { Capabilities } from '../../dag/types.ts';
import { HandoffError } from '../../core/errors.ts';
import type { Allocator } from './allocator.ts';
import { checkFit } from '../resources/feasibility.ts';

/**
 * The node of every function, chosen by an allocator. Pins and collocation take precedence over its answer.
 *
 * @param nodes capabilities by node name
 * @returns node names, by function
 * @throws `ALLOCATION_ERROR` when the allocator throws, or its answer cannot be carried out
 */
export function assign(
  plan: CompiledDag,
  allocator: Allocator,
  nodes: Readonly<Record<string, Capabilities>>,
): string[] {
  let answer: unknown;
  try {
    answer = allocator.allocate(
      plan.entries.map((_, i) => functionOf(plan, i)),
      nodes,
    );
  } catch (cause) {
    if (cause instanceof HandoffError && cause.code === 'ALLOCATION_ERROR') throw cause;
    throw new HandoffError(
      'ALLOCATION_ERROR',
      `The allocator threw: ${cause instanceof Error ? cause.message : show(cause)}`,
      { cause },
    );
  }
  if (typeof answer !== 'object' || answer === null || answer instanceof Promise) {
    const expected = 'The allocator must return an object of node names by function id';
    throw new HandoffError('ALLOCATION_ERROR', `${expected}; got ${show(answer)}.`);
  }
  const said = answer as Readonly<Record<string, unknown>>;
  const assigned: string[] = [];
  for (let i = 0; i < plan.size; i++) {
    const group = plan.group === null ? -1 : plan.group[i]!;
    const deciding = group < 0 ? i : plan.groups[group]!.root;
    const { id } = plan.entries[deciding]!;
    const pin = group < 0 ? plan.pins.get(i) : plan.groups[group]!.pin;
    const node = pin ?? (Object.hasOwn(said, id) ? said[id] : undefined);
    if (typeof node !== 'string') {
      const given = node === undefined ? 'no node' : show(node);
      const expected = Object.keys(nodes).map(show).join(', ');
      const text = `The allocator returned ${given} for function ${show(id)} (expected one of: ${expected}).`;
      throw new HandoffError('ALLOCATION_ERROR', text, { functionId: id });
    }
    const cost = plan.costs[group < 0 ? plan.cost[i]! : plan.groups[group]!.need];
    const error = deciding === i ? checkFit(id, cost, node, nodes) : undefined;
    if (error !== undefined) throw error;
    assigned.push(node);
  }
  return assigned;
}
