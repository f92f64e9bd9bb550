/** What one function waits for, in words. */
import type { Importing } from '../workers/node/thread-messages.ts';
import type { NodeLink } from '../workers/node/node-link.ts';
import { formatAmounts } from '../scheduling/resources/amounts.ts';
import { functionAt } from '../scheduling/scheduler/growth/growth.ts';
import type { Candidate, Wait } from '../scheduling/scheduler/explain.ts';
import type { ShortLimit } from '../scheduling/scheduler/claims/limits.ts';
import type { Run } from '../scheduling/scheduler/state.ts';

/** What one function waits for. */
export interface FunctionExplanation {
  readonly functionId: string;
  /**
   * `'done'`, `'failed'` or `'running'`; what it waits for: the `'import'` of a module, `'results'` of other functions,
   * a `'lookup'` in the cache, a `'retry'`, a busy `'thread'`, `'room'` on a node, the `'concurrency'` limit of its run, a `'limit'` of the program,
   * its `'turn'` in a plan, an `'allocator'`, or a `'node'` that is down; or `'unreachable'` when a dependency has failed.
   */
  readonly state:
    | 'done'
    | 'failed'
    | 'running'
    | 'unreachable'
    | 'skipped'
    | 'list'
    | 'elements'
    | 'graph'
    | 'import'
    | 'results'
    | 'lookup'
    | 'retry'
    | 'thread'
    | 'room'
    | 'concurrency'
    | 'limit'
    | 'turn'
    | 'allocator'
    | 'node';
  /**
   * The functions it waits for: its dependencies, functions that failed before it, or those that hold its resources.
   */
  readonly functions: readonly string[];
  /** The node on which it is, or for which it waits. */
  readonly node?: string;
  readonly text: string;
}

/** The link to a node, which knows the state of its threads. */
export type LinkOf = (node: string) => NodeLink;

/** An explanation without the function that it is about. */
interface Reason {
  readonly state: FunctionExplanation['state'];
  /** Follows the function's id in a sentence. */
  readonly words: string;
  readonly functions?: readonly string[];
  readonly node?: string;
}

type Sent = Extract<Wait, { readonly kind: 'sent' }>;

export function describeWait(run: Run, i: number, wait: Wait, linkOf: LinkOf): FunctionExplanation {
  const { id: functionId } = run.plan.entries[i]!;
  const { state, words, functions = [], node } = reasonOf(run, wait, linkOf);
  return { functionId, state, functions, ...(node !== undefined && { node }), text: `${functionId} ${words}.` };
}

const plainWords = {
  done: 'is done',
  failed: 'has failed for good',
  lookup: 'is being looked up in the cache',
  allocator: 'waits for the allocator to give it a node',
} as const;

function reasonOf(run: Run, wait: Wait, linkOf: LinkOf): Reason {
  switch (wait.kind) {
    case 'done':
    case 'failed':
    case 'lookup':
    case 'allocator':
      return { state: wait.kind, words: plainWords[wait.kind] };
    case 'skipped':
      return skipReason(idsOf(run, wait.because), wait.isCondition);
    case 'unreachable': {
      const functions = idsOf(run, wait.failed);
      return { state: 'unreachable', words: `is given up: ${list(functions)} failed`, functions };
    }
    case 'results': {
      const functions = idsOf(run, wait.missing);
      return { state: 'results', words: `waits for the result of ${list(functions)}`, functions };
    }
    case 'retry':
      return { state: 'retry', words: `waits to be tried again: attempt ${wait.attempts} failed` };
    case 'concurrency':
      return {
        state: 'concurrency',
        words: `waits until fewer than ${wait.limit} functions of its run are under way (maxConcurrency)`,
      };
    case 'limit':
      return limitReason(run, wait.limits);
    case 'turn': {
      const functions = idsOf(run, wait.before);
      const words = `waits for its turn on ${wait.node}: the plan has ${list(functions)} come before it`;
      return { state: 'turn', words, functions, node: wait.node };
    }
    case 'node': {
      const why = wait.returning === undefined ? 'is down' : returningWords[wait.returning];
      return { state: 'node', words: `waits for ${wait.nodes}, which ${why}`, node: wait.nodes };
    }
    case 'sent':
      return sentReason(wait, linkOf(wait.node));
    case 'room':
      return roomReason(run, wait.candidates);
    default:
      return growthReason(wait);
  }
}

/** Why a map, an element, or a function that answered with a graph is not done. */
function growthReason(wait: Extract<Wait, { readonly kind: 'list' | 'elements' | 'graph' | 'place' }>): Reason {
  switch (wait.kind) {
    case 'list':
      return { state: 'list', words: 'waits for its list' };
    case 'elements':
      return { state: 'elements', words: `is a map: ${wait.done} of its ${wait.count} elements are done` };
    case 'graph':
      return {
        state: 'graph',
        words:
          wait.count === 0
            ? 'answered with a graph, which is being checked'
            : `answered with a graph: ${wait.done} of its ${wait.count} functions are done`,
      };
    case 'place':
      return {
        state: 'concurrency',
        words: `waits until fewer than ${wait.limit} elements of its map are under way (concurrency)`,
      };
  }
}

function skipReason(functions: readonly string[], isCondition: boolean): Reason {
  const why = isCondition
    ? `its condition ${list(functions)} does not hold`
    : `${list(functions)} ${functions.length === 1 ? 'was' : 'were'} skipped`;
  return { state: 'skipped', words: `is skipped: ${why}`, functions };
}

const returningWords = {
  restarted: 'is being started again',
  'out-of-reach':
    'is out of reach and may return: its host was lost without a good-bye, and is awaited for reconnectTimeout',
} as const;

/** Why a function that was sent to a thread is not done. */
function sentReason({ node, thread, batch, at, attempt, copy }: Sent, link: NodeLink): Reason {
  if (at >= link.begun(thread, batch)) {
    const words = `was sent to ${node}, thread ${thread}, and waits behind what that has to do first`;
    return { state: 'thread', words, node };
  }
  const where = `on ${node}, thread ${thread}`;
  const importing = link.importing?.(thread);
  if (importing !== undefined) return { state: 'import', words: `${importWords(importing)} ${where}`, node };
  const which = attempt > 1 ? `, attempt ${attempt}` : '';
  const also = copy === undefined ? '' : `; as it takes long, once more on ${copy.node}, thread ${copy.thread}`;
  return { state: 'running', words: `runs ${where}${which}${also}`, node };
}

export function importWords({ module, since }: Importing): string {
  return `waits for the import of module ${module} (${Math.round((performance.now() - since) / 1000)} s so far)`;
}

function limitReason(run: Run, limits: readonly ShortLimit[]): Reason {
  const functions = limits.flatMap(({ holders, first }) => [
    ...holders.map((holder) => nameOf(run, holder.run, holder.functions[holder.done]!)),
    ...(first === null ? [] : [nameOf(run, first.run, functionAt(first.run, first.from.heap.top))]),
  ]);
  const words = `waits for ${limits.map((limit) => shortageOf(run, limit)).join(' and ')}`;
  return { state: 'limit', words, functions: [...new Set(functions)] };
}

function shortageOf(own: Run, { name, amount, limit, ms, first }: ShortLimit): string {
  const wanted = `${amount} of limit ${name}`;
  if (ms === Infinity && limit.share !== null)
    return `${wanted}, which it shares with other processes: functions of this one hold ${limit.used}`;
  if (ms === Infinity) return `${wanted}, of which ${limit.used} of ${limit.concurrency} are used`;
  if (ms > 0) return `${wanted}, which starts ${limit.perSecond} per second: it is free in ${Math.ceil(ms)} ms`;
  return `${wanted}, for which ${nameOf(own, first!.run, functionAt(first!.run, first!.from.heap.top))} waits first`;
}

/** Why no node takes a function that is ready. */
function roomReason(run: Run, candidates: readonly Candidate[]): Reason {
  const roomy = candidates.filter(({ lacks }) => lacks.length === 0);
  if (roomy.length === 0) return lackReason(run, candidates);
  const kept = roomy.find(({ reservedFor, idleThreads }) => idleThreads > 0 && reservedFor !== undefined);
  return kept === undefined ? threadReason(roomy) : reservedReason(run, kept);
}

/** @param kept a node that is kept free for another function */
function reservedReason(run: Run, { node, reservedFor }: Candidate): Reason {
  const name = nameOf(run, reservedFor!.run, reservedFor!.index);
  const words = `waits for ${node}, which is kept free for ${name}: that claims more, and has waited longer`;
  return { state: 'room', words, functions: [name], node };
}

/** @param roomy nodes with enough resources */
function threadReason(roomy: readonly Candidate[]): Reason {
  const words = roomy.some(({ idleThreads }) => idleThreads > 0)
    ? 'waits, although a thread is idle: its claim is refused by the resource tracker, it is about to be sent along with others, or it waits a moment for the host that has what it takes'
    : `waits for a thread of ${list(roomy.map(({ node }) => node))}: all are busy`;
  return { state: 'thread', words, node: roomy[0]!.node };
}

/** @param lacking nodes that have too little of a resource free */
function lackReason(run: Run, lacking: readonly Candidate[]): Reason {
  const holders = lacking.flatMap((candidate) => candidate.holders);
  const names = holders.flatMap((holder) => holder.functions.map((index) => nameOf(run, holder.run, index)));
  return {
    state: 'room',
    words: `waits for ${lacking.map((candidate) => lackWords(run, candidate)).join(', or ')}`,
    functions: [...new Set(names)],
    node: lacking[0]!.node,
  };
}

function lackWords(own: Run, { node, lacks, holders }: Candidate): string {
  const needs = lacks.map(
    ({ resource, needs: amount, free }) =>
      `${amount} ${resource} of ${node}, of which ${Number(free.toPrecision(6))} ${free === 1 ? 'is' : 'are'} free`,
  );
  const held = holders.map(
    ({ run, functions, claim }) =>
      `${run.plan.entries[functions[0]!]!.id} of run ${labelOf(own, run)} holds ${formatAmounts(claim)}`,
  );
  return `${needs.join(' and ')}${held.length > 0 ? ` (${held.slice(0, 5).join('; ')}${held.length > 5 ? `; and ${held.length - 5} more` : ''})` : ''}`;
}

function idsOf({ plan }: Run, indexes: readonly number[]): string[] {
  return indexes.map((index) => plan.entries[index]!.id);
}

function nameOf(own: Run, run: Run, index: number): string {
  const { id } = run.plan.entries[index]!;
  return run === own ? id : `${labelOf(own, run)}/${id}`;
}

/** The label of another run: its DAG, unless it is the same DAG. */
function labelOf(own: Run, { id, plan }: Run): string {
  return plan.dagId === own.plan.dagId ? id : plan.dagId;
}

function list(names: readonly string[]): string {
  const shown = names.length > 10 ? [...names.slice(0, 10), `${names.length - 10} more`] : [...names];
  const last = shown.pop() ?? '';
  return shown.length === 0 ? last : `${shown.join(', ')} and ${last}`;
}
