/**
 * Collocated functions are bound to a node together, when the first of them starts or another must know where they will run. That one may
 * take no time and claim nothing, while the root of the group, which needs the room, starts later. So a run keeps what each node was
 * promised to roots that are yet to start, and a group that can choose goes where that leaves room.
 */
import { add, amountOf, subtract } from '../resources/amounts.ts';
import type { Cost } from '../../dag/types.ts';
import { groupOf } from './ready.ts';
import { type Node, type Promised, type Run, Status } from './state.ts';

/** The group that a function binds as it starts ahead of the root; -1: none. */
export function groupToBind(run: Run, i: number): number {
  const group = groupOf(run, i);
  return group >= 0 && run.groupNode[group] === -1 && run.plan.groups[group]!.root !== i ? group : -1;
}

/** Binds a group to a node. */
export function bindGroup(run: Run, group: number, node: Node): void {
  if (run.groupNode[group] === node.index) return;
  release(run, group);
  run.groupNode[group] = node.index;
  if (run.status[run.plan.groups[group]!.root]! >= Status.dispatched) return;
  let promised = run.promised.get(node.index);
  if (promised === undefined) run.promised.set(node.index, (promised = { groups: 0, amounts: {} }));
  promised.groups++;
  add(promised.amounts, needOf(run, group));
  run.promisedAt[group] = node.index;
}

/** Groups that were bound to a node may go elsewhere. */
export function unbindGroups(run: Run, node: Node): void {
  for (let group = 0; group < run.groupNode.length; group++) {
    if (run.groupNode[group] !== node.index) continue;
    release(run, group);
    run.groupNode[group] = -1;
  }
}

/** A function starts, or never will: if it is the root of its group, nothing is promised to that any more. */
export function settlePromise(run: Run, i: number): void {
  const group = groupOf(run, i);
  if (group >= 0 && run.plan.groups[group]!.root === i) release(run, group);
}

function release(run: Run, group: number): void {
  const at = run.promisedAt[group]!;
  if (at < 0) return;
  const promised = run.promised.get(at)!;
  promised.groups--;
  subtract(promised.amounts, needOf(run, group));
  run.promisedAt[group] = -1;
}

/** How full a node would be with a group on top, 1 being full: by what the group claims, or by threads when it claims nothing. */
function fullness(run: Run, group: number, node: Node): number {
  const { groups, amounts } = run.promised.get(node.index) ?? nothing;
  const need = needOf(run, group);
  let highest = -1;
  for (const name in need) if (need[name]! > 0) highest = Math.max(highest, (amountOf(node.claimed, name) + amountOf(amounts, name) + need[name]!) / amountOf(node.capabilities, name));
  return highest >= 0 ? highest : (groups + 1) / Math.max(1, node.threads);
}

/** Whether a node has room for a group besides what it was promised to. */
export function hasRoom(run: Run, group: number, node: Node): boolean {
  return fullness(run, group, node) <= 1 + 1e-9;
}

/** Of nodes in order of preference: first those with room for a group, then the others, the least full first. */
export function byRoom(run: Run, group: number, nodes: readonly Node[]): Node[] {
  const full = new Map(nodes.map((node) => [node, Math.max(1 + 1e-9, fullness(run, group, node))]));
  return nodes.toSorted((a, b) => full.get(a)! - full.get(b)!);
}

const nothing: Promised = { groups: 0, amounts: {} };
const noCost: Cost = {};

function needOf({ plan }: Run, group: number): Cost {
  return plan.costs[plan.groups[group]!.need] ?? noCost;
}
