/** Describes in words what the scheduler waits for. */
import { formatAmounts } from '../scheduling/resources/amounts.ts';
import type { CompiledDag } from '../dag/compiled-dag.ts';
import { HandoffError } from '../core/errors.ts';
import type { Importing } from '../workers/node/thread-messages.ts';
import type { NodeLink } from '../workers/node/node-link.ts';
import { idsOf, nameOfRun, type RunIds } from './run-ids.ts';
import { type Candidate, explain as explainFunction, type Wait } from '../scheduling/scheduler/explain.ts';
import type { ShortLimit } from '../scheduling/scheduler/limits.ts';
import { type Run, type State, Status } from '../scheduling/scheduler/state.ts';

/** What one function waits for. */
export interface FunctionExplanation {
  readonly functionId: string;
  /**
   * `'done'`, `'failed'` or `'running'`; what it waits for: the `'import'` of a module, `'results'` of other functions,
   * a `'retry'`, a busy `'thread'`, `'room'` on a node, the `'concurrency'` limit of its run, a `'limit'` of the program,
   * its `'turn'` in a plan, an `'allocator'`, or a `'node'` that is down; or `'unreachable'` when a dependency has failed.
   */
  readonly state:
    | 'done'
    | 'failed'
    | 'running'
    | 'unreachable'
    | 'skipped'
    | 'import'
    | 'results'
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

export interface Explanation {
  readonly runId: string;
  readonly dagId: string;
  /** The whole explanation, one line per statement. */
  readonly text: string;
  /**
   * The requested function. For a run: the functions that run or wait for something other than results, at most 100 per
   * state.
   */
  readonly functions: readonly FunctionExplanation[];
}

/** The link to a node, which knows the state of its threads. */
type LinkOf = (node: string) => NodeLink;

// Limit per state.
const maxFunctions = 100;

/**
 * What a run or one of its functions waits for.
 *
 * @param name the id of a run
 * @throws `NOT_FOUND` when there is no such run or function
 */
export function explain(state: State, name: string, functionId: string | undefined, linkOf: LinkOf): Explanation {
  if (functionId === undefined) return explainRun(state, runUnderWay(state, name), linkOf);
  const { run, index } = runningFunction(state, name, functionId);
  return explainOne(state, run, index, linkOf);
}

/**
 * A function of a run that has not ended.
 *
 * @throws `NOT_FOUND` when there is no such run or function
 */
export function runningFunction(state: State, name: string, functionId: string): { run: Run; index: number } {
  const run = runUnderWay(state, name);
  const index = run.plan.indexOf(functionId);
  if (index < 0) throw noSuchFunction(idsOf(run), functionId);
  return { run, index };
}

function runUnderWay({ runs }: State, name: string): Run {
  const run = runs.get(name);
  if (run !== undefined) return run;
  const text = `No run with the id ${JSON.stringify(name)} is under way, and none of a DAG with that id.`;
  throw new HandoffError('NOT_FOUND', text, { dagId: name });
}

/** Explains a run that cannot start before a module is imported. */
export function explainImport(
  ids: RunIds,
  plan: CompiledDag,
  functionId: string | undefined,
  importing: Importing,
): Explanation {
  if (functionId !== undefined && plan.indexOf(functionId) < 0) throw noSuchFunction(ids, functionId);
  const text = `${functionId ?? `Run ${ids.dagId}`} ${waitsFor(importing)}.`;
  return {
    ...ids,
    text,
    functions: functionId === undefined ? [] : [{ functionId, state: 'import', functions: [], text }],
  };
}

function waitsFor({ module, since }: Importing): string {
  return `waits for the import of module ${module} (${Math.round((performance.now() - since) / 1000)} s so far)`;
}

export function noSuchFunction(ids: RunIds, functionId: string): HandoffError {
  return new HandoffError(
    'NOT_FOUND',
    `The ${nameOfRun(ids)} has no function ${JSON.stringify(functionId)}, or it is inline and runs as part of others.`,
    { ...ids, functionId },
  );
}

function explainOne(state: State, run: Run, i: number, linkOf: LinkOf): Explanation {
  const explained = toWords(run, i, explainFunction(state, run, i, performance.now()), linkOf);
  return { ...idsOf(run), text: explained.text, functions: [explained] };
}

function explainRun(state: State, run: Run, linkOf: LinkOf): Explanation {
  const { plan, status } = run;
  const counts = new Map<number, number>();
  for (const each of status) counts.set(each, (counts.get(each) ?? 0) + 1);
  const listed: Record<number, number> = {};
  const functions: FunctionExplanation[] = [];
  for (const i of plan.byRank) {
    const at = status[i]!;
    if (at === Status.done || at === Status.waiting || at === Status.unreachable || at === Status.skipped) continue;
    listed[at] = (listed[at] ?? 0) + 1;
    if (listed[at] <= maxFunctions)
      functions.push(toWords(run, i, explainFunction(state, run, i, performance.now()), linkOf));
  }
  const count = (which: number, words: string): string[] =>
    counts.has(which) ? [`${counts.get(which)} ${words}`] : [];
  const summary = [
    ...count(Status.done, 'done'),
    ...count(Status.dispatched, 'with threads'),
    ...count(Status.ready, 'ready to start'),
    ...count(Status.delayed, 'waiting to be tried again'),
    ...count(Status.waiting, 'waiting for results of others'),
    ...count(Status.skipped, 'skipped'),
    ...count(Status.failed, 'failed'),
    ...count(Status.unreachable, 'given up, as what they need has failed'),
  ];
  const ending = run.outcome === undefined ? '' : ' It is ending, and starts nothing more.';
  const lines = [
    `Run ${plan.dagId}: of ${plan.size} functions, ${summary.join(', ')}.${ending}`,
    ...functions.map(({ text }) => text),
  ];
  return { ...idsOf(run), text: lines.join('\n'), functions };
}

function toWords(run: Run, i: number, wait: Wait, linkOf: LinkOf): FunctionExplanation {
  const { id: functionId } = run.plan.entries[i]!;
  const ids = (indexes: readonly number[]): string[] => indexes.map((index) => run.plan.entries[index]!.id);
  const say = (
    state: FunctionExplanation['state'],
    words: string,
    more: { readonly functions?: readonly string[]; readonly node?: string } = {},
  ): FunctionExplanation => ({
    functionId,
    state,
    functions: more.functions ?? [],
    ...(more.node !== undefined && { node: more.node }),
    text: `${functionId} ${words}.`,
  });
  switch (wait.kind) {
    case 'done':
      return say('done', 'is done');
    case 'failed':
      return say('failed', 'has failed for good');
    case 'skipped': {
      const functions = ids(wait.because);
      const why = wait.isCondition
        ? `its condition ${list(functions)} does not hold`
        : `${list(functions)} ${functions.length === 1 ? 'was' : 'were'} skipped`;
      return say('skipped', `is skipped: ${why}`, { functions });
    }
    case 'unreachable':
      return say('unreachable', `is given up: ${list(ids(wait.failed))} failed`, { functions: ids(wait.failed) });
    case 'results':
      return say('results', `waits for the result of ${list(ids(wait.missing))}`, { functions: ids(wait.missing) });
    case 'retry':
      return say('retry', `waits to be tried again: attempt ${wait.attempts} failed`);
    case 'concurrency':
      return say(
        'concurrency',
        `waits until fewer than ${wait.limit} functions of its run are under way (maxConcurrency)`,
      );
    case 'allocator':
      return say('allocator', 'waits for the allocator to give it a node');
    case 'turn':
      return say('turn', `waits for its turn on ${wait.node}: the plan has ${list(ids(wait.before))} come before it`, {
        functions: ids(wait.before),
        node: wait.node,
      });
    case 'node':
      return say(
        'node',
        `waits for ${wait.nodes}, which ${wait.returning === undefined ? 'is down' : returningWords[wait.returning]}`,
        { node: wait.nodes },
      );
    case 'sent': {
      const { node, attempt } = wait;
      const where = `on ${node}, thread ${wait.thread}`;
      const copy =
        wait.copy === undefined ? '' : `; as it takes long, once more on ${wait.copy.node}, thread ${wait.copy.thread}`;
      const importing = linkOf(node).importing?.(wait.thread);
      const isBegun = wait.at < linkOf(node).begun(wait.thread, wait.batch);
      if (isBegun && importing !== undefined) return say('import', `${waitsFor(importing)} ${where}`, { node });
      if (isBegun) return say('running', `runs ${where}${attempt > 1 ? `, attempt ${attempt}` : ''}${copy}`, { node });
      return say('thread', `was sent to ${node}, thread ${wait.thread}, and waits behind what that has to do first`, {
        node,
      });
    }
    case 'limit': {
      const functions = wait.limits.flatMap(({ holders, first }) => [
        ...holders.map((holder) => nameOf(run, holder.run, holder.functions[holder.done]!)),
        ...(first === null ? [] : [nameOf(run, first.run, first.run.plan.byRank[first.from.heap.top]!)]),
      ]);
      const words = `waits for ${wait.limits.map((limit) => shortageOf(run, limit)).join(' and ')}`;
      return say('limit', words, { functions: [...new Set(functions)] });
    }
    case 'room': {
      const lacking = wait.candidates.filter(({ lacks }) => lacks.length > 0);
      if (lacking.length < wait.candidates.length) {
        const others = wait.candidates.filter(({ lacks }) => lacks.length === 0);
        const kept = others.find(({ reservedFor, idleThreads }) => idleThreads > 0 && reservedFor !== undefined);
        if (kept !== undefined) {
          const name = nameOf(run, kept.reservedFor!.run, kept.reservedFor!.index);
          const words = `waits for ${kept.node}, which is kept free for ${name}: that claims more, and has waited longer`;
          return say('room', words, { functions: [name], node: kept.node });
        }
        const idle = others.some(({ idleThreads }) => idleThreads > 0);
        const words = idle
          ? 'waits, although a thread is idle: its claim is refused by the resource tracker, it is about to be sent along with others, or it waits a moment for the host that has what it takes'
          : `waits for a thread of ${list(others.map(({ node }) => node))}: all are busy`;
        return say('thread', words, { node: others[0]!.node });
      }
      const holders = [
        ...new Set(
          lacking.flatMap(({ holders: each }) =>
            each.flatMap((holder) => holder.functions.map((index) => nameOf(run, holder.run, index))),
          ),
        ),
      ];
      return say('room', `waits for ${lacking.map((candidate) => lackOf(run, candidate)).join(', or ')}`, {
        functions: holders,
        node: lacking[0]!.node,
      });
    }
  }
}

function shortageOf(own: Run, { name, amount, limit, ms, first }: ShortLimit): string {
  const wanted = `${amount} of limit ${name}`;
  if (ms === Infinity) return `${wanted}, of which ${limit.used} of ${limit.concurrency} are used`;
  if (ms > 0) return `${wanted}, which starts ${limit.perSecond} per second: it is free in ${Math.ceil(ms)} ms`;
  return `${wanted}, for which ${nameOf(own, first!.run, first!.run.plan.byRank[first!.from.heap.top]!)} waits first`;
}

const returningWords = {
  restarted: 'is being started again',
  'out-of-reach':
    'is out of reach and may return: its host was lost without a good-bye, and is awaited for reconnectTimeout',
} as const;

function lackOf(own: Run, { node, lacks, holders }: Candidate): string {
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
