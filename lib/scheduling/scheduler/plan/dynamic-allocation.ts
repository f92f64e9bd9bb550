/** Runs with a dynamic allocator: asks it for the nodes of ready functions, and validates its answers. */
import { messageOf } from '../../../core/message-of.ts';
import type { ClusterView, NodeView, ReadyFunction } from '../../allocation/allocator.ts';
import { remaining, shortage } from '../../resources/amounts.ts';
import { checkFit } from '../../resources/feasibility.ts';
import { HandoffError } from '../../../core/errors.ts';
import type { Cost } from '../../../dag/types.ts';
import type { Command } from '../commands.ts';
import { endRun } from '../failure/failure.ts';
import { bindGroup } from '../dispatch/groups.ts';
import { functionAt, holdersOf, inputsOf as dependenciesOf, rankOf } from '../growth/growth.ts';
import { enqueue, groupOf } from '../ready.ts';
import { batchesOn } from '../dispatch/seats.ts';
import { type Node, type Run, type State, Status } from '../state.ts';

/** Asks the allocators to place waiting functions. Called once per turn, before anything starts. */
export function allot(state: State, now: number, out: Command[]): void {
  for (const run of state.hungry) {
    if (run.settings.allocator === undefined || run.queue.unplaced.size === 0 || run.outcome !== undefined) continue;
    try {
      ask(state, run, now);
    } catch (error) {
      endRun(state, run, { kind: 'misplaced', error }, out);
    }
  }
}

function ask(state: State, run: Run, now: number): void {
  const { plan, queue, settings } = run;
  const nodes = state.nodes.filter(
    (node) => node.up && !node.draining && node.threadsUp > 0 && (node.host === 0 || settings.hereOnly !== true),
  );
  if (nodes.length === 0) return; // all nodes are restarting
  const waiting = queue.unplacedInOrder.map((rank) => functionAt(run, rank));
  const view: ClusterView = {
    runId: run.id,
    dagId: run.plan.dagId,
    elapsed: now - run.submittedAt,
    nodes: nodes.map(toView),
  };
  const answer = placeBy(
    run,
    waiting.map((i) => toReady(state, run, i)),
    view,
  );
  let placed = 0;
  for (const i of waiting) {
    const { id } = plan.entries[i]!;
    const name = Object.hasOwn(answer, id) ? answer[id] : undefined;
    if (name === undefined || name === null) continue;
    placed++;
    bind(state, run, i, nodeNamed(state, run, i, name));
  }
  if (placed === 0 && isStill(state, run)) {
    const text = `The allocator placed none of the ${waiting.length} ready functions, although nothing runs whose end could change that. Place at least one.`;
    throw new HandoffError('ALLOCATION_ERROR', text, {
      runId: run.id,
      dagId: run.plan.dagId,
      functionId: plan.entries[waiting[0]!]!.id,
    });
  }
}

/** Whether nothing would change by itself: no batch or delay is pending, and no thread is coming back. */
function isStill({ batches, nodes }: State, { queue, delays, travelling, asked }: Run): boolean {
  return (
    asked.size === 0 &&
    batches.size === 0 &&
    delays.size === 0 &&
    travelling === 0 &&
    queue.size === queue.unplaced.size &&
    nodes.every(({ up, returning, threads }) => !returning && (!up || threads.every((thread) => thread.up)))
  );
}

function placeBy(
  { id: runId, plan: { dagId }, settings }: Run,
  ready: readonly ReadyFunction[],
  view: ClusterView,
): Readonly<Record<string, unknown>> {
  let answer: unknown;
  try {
    answer = settings.allocator!.place(ready, view);
  } catch (cause) {
    if (cause instanceof HandoffError && cause.code === 'ALLOCATION_ERROR') throw cause;
    throw new HandoffError(
      'ALLOCATION_ERROR',
      `The allocator threw: ${messageOf(cause)}. Mend its place(), or name a strategy.`,
      { runId, dagId, cause },
    );
  }
  if (typeof answer === 'object' && answer !== null && typeof (answer as { then?: unknown }).then !== 'function')
    return answer as Readonly<Record<string, unknown>>;
  const got = typeof answer === 'object' && answer !== null ? 'a promise' : String(answer);
  const text = `place() must return an object of node names by function id at once; got ${got}.`;
  throw new HandoffError('ALLOCATION_ERROR', text, { runId, dagId });
}

function nodeNamed(state: State, run: Run, i: number, name: unknown): Node {
  const { plan } = run;
  const { id } = plan.entries[i]!;
  const isOpen = (node: Node): boolean =>
    (node.up || node.returning) && !node.draining && (node.host === 0 || run.settings.hereOnly !== true);
  const node = typeof name === 'string' ? state.nodeByName.get(name) : undefined;
  if (node === undefined || !isOpen(node)) {
    const open = state.nodes
      .filter(isOpen)
      .map((each) => each.name)
      .join(', ');
    const text = `The allocator returned node ${JSON.stringify(name)} for function ${JSON.stringify(id)}, which accepts no work (expected one of: ${open}).`;
    throw new HandoffError('ALLOCATION_ERROR', text, { runId: run.id, dagId: run.plan.dagId, functionId: id });
  }
  const need = needOf(run, i);
  if (shortage(need, node.capabilities) !== undefined)
    throw checkFit(id, need, node.name, { [node.name]: node.capabilities })!;
  return node;
}

/** The cost of a function or, before its group has a node, of the whole group. */
function needOf(run: Run, i: number): Cost {
  const { plan, groupNode } = run;
  const group = groupOf(run, i);
  return plan.costs[group < 0 || groupNode[group]! >= 0 ? plan.cost[i]! : plan.groups[group]!.need] ?? {};
}

/** Binds a function, and with it its group, to a node. */
function bind(state: State, run: Run, i: number, node: Node): void {
  const group = groupOf(run, i);
  const settled = group < 0 ? -1 : run.groupNode[group]!;
  if (group >= 0 && settled < 0) bindGroup(run, group, node);
  run.assigned![i] = settled >= 0 ? settled : node.index;
  run.queue.take(rankOf(run, i));
  enqueue(state, run, i);
}

function toView({ name, host, capabilities, claimed, speed, threadsUp, idle, threads }: Node): NodeView {
  const queue = threads.reduce(
    (sum, thread) => sum + batchesOn(thread).reduce((open, batch) => open + batch.size - batch.done, 0),
    0,
  );
  return {
    name,
    host,
    capabilities: { ...capabilities },
    free: remaining(capabilities, claimed),
    speed,
    threads: threadsUp,
    idle,
    queue,
  };
}

function toReady(state: State, run: Run, i: number): ReadyFunction {
  const { plan, settings } = run;
  const { id, traits } = plan.entries[i]!;
  const { mean, count } = state.estimates[settings.codes[plan.code[i]!]!]!;
  return {
    id,
    cost: needOf(run, i),
    priority: traits.priority,
    attempts: run.attempts[i]!,
    duration: traits.duration ?? settings.known?.get(i) ?? (count > 0 ? mean : undefined),
    get inputs() {
      // computed on demand, because most allocators do not read it
      return inputsOf(state, run, i);
    },
  };
}

function inputsOf(state: State, run: Run, i: number): ReadyFunction['inputs'] {
  const { plan, status, node, large } = run;
  const all = dependenciesOf(run, i).flatMap((dep) => [...holdersOf(run, dep)]);
  const deps = [...new Set(all)].filter((dep) => status[dep] !== Status.skipped);
  return deps.map((dep) => {
    const { name, host } = state.nodes[node[dep]!]!;
    return {
      functionId: plan.entries[dep]!.id,
      node: name,
      host,
      bytes: large.get(dep) ?? plan.entries[dep]!.traits.outputBytes ?? 0,
    };
  });
}
