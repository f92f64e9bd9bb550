/** The origin's allocator (`Handoff.SimpleAllocator`), for those who port from it. */
import type { Capabilities, Cost, ResolvedFunction } from '../../dag/types.ts';
import { HandoffError } from '../../core/errors.ts';
import type { Allocator } from './allocator.ts';
import { add, shortage, subtract } from '../resources/amounts.ts';

/**
 * Places a whole DAG at once, subtracting each function's cost from its node as if all ran together:
 *
 * 1. nodes are tried in order: the first of `capabilities`, then the rest by name;
 * 2. costs of collocated functions are added to their root's;
 * 3. pinned functions come first and must fit;
 * 4. the others go to the first node in order where they fit, which then moves to the front;
 * 5. functions without a cost go to the node at the front;
 * 6. what fits nowhere any more goes to the front-most node that could run it alone.
 */
export class SimpleAllocator implements Allocator {
  /** @throws `ALLOCATION_ERROR` when a pinned function does not fit its node beside the others pinned there */
  allocate(functions: readonly ResolvedFunction[], capabilities: Readonly<Record<string, Capabilities>>): Record<string, string> {
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
        throw new HandoffError('ALLOCATION_ERROR', `Insufficient resources on node ${node} for function ${id}.`, { functionId: id, node, cost });
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

function mergedCosts(functions: readonly ResolvedFunction[], byId: ReadonlyMap<string, ResolvedFunction>): Map<string, Cost> {
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

