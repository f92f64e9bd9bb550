/** The allocator of the original library (`Handoff.SimpleAllocator`), for users who port from it. */
import type { Capabilities, Cost, ResolvedFunction } from '../../dag/types.ts';
import { HandoffError } from '../../core/errors.ts';
import type { Allocator } from './allocator.ts';
import { add, shortage, subtract } from '../resources/amounts.ts';

/**
 * Places a whole DAG at once. It subtracts each function's cost from its node, as if all functions ran at the same
 * time:
 *
 * 1. nodes are tried in order: the first of `capabilities`, then the rest by name;
 * 2. the costs of collocated functions are added to the cost of their root;
 * 3. pinned functions are placed first and must fit;
 * 4. each other function goes to the first node where it fits, and that node moves to the front;
 * 5. functions without a cost go to the node at the front;
 * 6. a function that no longer fits anywhere goes to the first node that could run it alone.
 */
export class SimpleAllocator implements Allocator {
  /**
   * @throws `ALLOCATION_ERROR` when a pinned function does not fit on its node together with the others pinned there
   */
  allocate(
    functions: readonly ResolvedFunction[],
    capabilities: Readonly<Record<string, Capabilities>>,
  ): Record<string, string> {
    const [first, ...others] = Object.keys(capabilities);
    if (first === undefined) return {};
    let order = [first, ...others.sort()];
    const free = new Map(order.map((node) => [node, { ...capabilities[node] } as Record<string, number>]));
    const allocations: Record<string, string> = {};
    const byId = new Map(functions.map((fn) => [fn.id, fn]));
    const costs = mergedCosts(functions, byId);

    for (const { id, node } of functions) {
      if (typeof node !== 'string') continue;
      const left = free.get(node) ?? { cpu: 0, memory: 0 };
      const cost = costs.get(id) ?? {};
      if (shortage(cost, left) !== undefined) {
        const text = `Insufficient resources on node ${node} for function ${id}, which is pinned there together with others.`;
        throw new HandoffError('ALLOCATION_ERROR', `${text} Pin fewer there, or raise its capabilities.`, {
          functionId: id,
          node,
          cost,
        });
      }
      subtract(left, cost);
      allocations[id] = node;
    }
    for (const { id, node } of functions) {
      if (node !== undefined) continue;
      const cost = costs.get(id);
      allocations[id] = order[0]!;
      if (cost === undefined) continue;
      const fitting = order.find((name) => shortage(cost, free.get(name)!) === undefined);
      if (fitting === undefined) {
        allocations[id] = order.find((name) => shortage(cost, capabilities[name]!) === undefined) ?? order[0]!;
        continue;
      }
      subtract(free.get(fitting)!, cost);
      allocations[id] = fitting;
      order = [fitting, ...order.filter((name) => name !== fitting)];
    }
    for (const fn of functions) {
      if (typeof fn.node === 'object') allocations[fn.id] = allocations[rootOf(fn, byId).id] ?? order[0]!;
    }
    return allocations;
  }
}

function mergedCosts(
  functions: readonly ResolvedFunction[],
  byId: ReadonlyMap<string, ResolvedFunction>,
): Map<string, Cost> {
  const costs = new Map<string, Record<string, number>>();
  for (const fn of functions) {
    if (fn.cost === undefined) continue;
    const root = rootOf(fn, byId).id;
    const sum = costs.get(root) ?? {};
    add(sum, fn.cost);
    costs.set(root, sum);
  }
  return costs;
}

function rootOf(fn: ResolvedFunction, byId: ReadonlyMap<string, ResolvedFunction>): ResolvedFunction {
  let at = fn;
  const seen = new Set([at.id]);
  while (typeof at.node === 'object') {
    const next = byId.get(at.node.collocatedWith);
    if (next === undefined || seen.has(next.id)) return at;
    seen.add(next.id);
    at = next;
  }
  return at;
}
