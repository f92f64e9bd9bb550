/** Creates the state of a run. */
import type { CompiledDag } from '../../dag/compile/compiled-dag.ts';
import type { RunSettings } from './events.ts';
import { ReadyQueue } from './ready-queue.ts';
import type { Node, Run, Sequence, State } from './state.ts';

export function createRun(
  state: Pick<State, 'isSpread' | 'nodeByName'>,
  id: string,
  plan: CompiledDag,
  settings: RunSettings,
  now: number,
): Run {
  const { size } = plan;
  const assigned =
    settings.allocator !== undefined
      ? new Int32Array(size).fill(-1)
      : settings.assigned === null
        ? null
        : Int32Array.from(settings.assigned, (name) => boundTo(state.nodeByName.get(name)!, settings));
  return {
    id,
    plan,
    indexOf: (functionId) => plan.indexOf(functionId),
    growth: null,
    asked: new Map(),
    settings,
    status: new Uint8Array(size),
    gated: settings.gated?.slice() ?? null,
    missing: missingOf(plan, settings),
    attempts: new Int32Array(size),
    node: new Int32Array(size).fill(-1),
    batch: new Int32Array(size).fill(-1),
    tally: new Int32Array(size),
    unread: settings.kept === null ? null : readersOf(plan),
    lent: new Map(),
    holding: new Set(),
    gone: new Set(),
    remote: new Set(),
    groupNode: new Int32Array(plan.groups.length).fill(-1),
    promisedAt: new Int32Array(plan.groups.length).fill(-1),
    promised: new Map(),
    assigned,
    sequence: settings.start === undefined || assigned === null ? null : sequenceOf(plan, assigned, settings.start),
    submittedAt: now,
    conditions: new Map(),
    avoid: new Map(),
    suspects: new Set(),
    large: new Map(),
    travelling: 0,
    holdsOnce: state.isSpread,
    cached: new Set(),
    held: new Set(),
    losses: new Map(),
    delays: new Map(),
    queue: new ReadyQueue(),
    batches: new Set(),
    threads: 0,
    ganged: 0,
    gangsFrom: -Infinity,
    gangPause: 0,
    unfinished: size,
    skipped: 0,
    retries: 0,
    copies: { started: 0, won: 0, losing: 0 },
    failures: [],
    outcome: undefined,
    blocked: -1,
    front: 0,
    short: null,
    refusalTimer: -1,
    refusedSince: -1,
  };
}

function missingOf({ inDegree }: CompiledDag, { gated }: RunSettings): Int32Array {
  return gated === undefined ? inDegree.slice() : inDegree.map((inputs, i) => inputs + gated[i]!);
}

/** The index of an assigned node, or -1 if a movable function must go elsewhere because the node has gone since. */
function boundTo({ index, up, returning, draining }: Node, { movable }: RunSettings): number {
  return movable === true && ((!up && !returning) || draining) ? -1 : index;
}

function sequenceOf({ byRank, size }: CompiledDag, assigned: Int32Array, start: Float64Array): Sequence {
  const lists = new Map<number, number[]>();
  const at = new Int32Array(size);
  for (const i of byRank) {
    const node = assigned[i]!;
    let list = lists.get(node);
    if (list === undefined) lists.set(node, (list = []));
    at[i] = list.push(i) - 1;
  }
  const byNode = new Map([...lists].map(([node, list]) => [node, Int32Array.from(list)]));
  return { byNode, next: new Map([...lists.keys()].map((node) => [node, 0])), at, start };
}

/** The number of reads of each result: by arguments, and by functions that need its node. */
export function readersOf({ size, outOffset, maps }: CompiledDag): Int32Array {
  const readers = new Int32Array(size);
  for (let i = 0; i < size; i++) readers[i] = outOffset[i + 1]! - outOffset[i]!;
  // A map of a map reads the elements of that one, and not the list.
  for (const { source } of maps?.values() ?? []) if (source >= 0) readers[source]!--;
  return readers;
}
