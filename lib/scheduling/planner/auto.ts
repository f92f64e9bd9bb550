/** The strategy `'auto'`: decides for each run whether to plan it, to balance it, or to take the first free node. */
import type { CompiledDag } from '../../dag/compile/compiled-dag.ts';
import type { Capabilities } from '../../dag/types.ts';
import type { AllocationStrategy, ResolvedStrategy } from '../allocation/allocator.ts';
import type { PlannerNode } from './problem.ts';

/** What is known of a run before it starts. */
export interface AutoInput {
  readonly plan: CompiledDag;
  /** The nodes that accept work. */
  readonly nodes: readonly PlannerNode[];
  /** Whether a plan may be made: it takes all nodes for free, and knows no limits of the program. */
  readonly mayPlan: boolean;
  /** Whether the duration of a function is declared or learned. */
  readonly isKnown: (i: number) => boolean;
  /** ms on a node of speed 1, by function. */
  readonly durationOf: (i: number) => number;
  /** Bytes of the result, by function. */
  readonly bytesOf: (i: number) => number;
}

/** With fewer functions, a message to a faster node costs more than it gains, unless the durations are known. */
const fewFunctions = 8;
/** Planning takes a few µs per function, so shorter functions are not worth it. In ms, on average. */
const worthFrom = 0.5;
/** A run that is shorter than this on all threads, in ms, ends before a plan has paid for itself. */
const shortestRun = 5;
/** The share of functions with an unknown duration up to which a plan is trusted. */
const maxUnknown = 0.1;
/** Results of this many bytes take long enough to move between hosts that a plan takes it into account. */
const largeBytes = 2 ** 20;
/** At first a sample of this many functions is looked at, because most runs need no plan. */
const sample = 64;

/**
 * Plans the run where that pays: nodes of unequal speed or capacity, or large results and several hosts, and known
 * durations. Without known durations, balances by speed if the nodes differ in it. Otherwise takes the first free node.
 *
 * @returns `strategy` itself unless it is `'auto'`
 */
export function resolveStrategy(strategy: AllocationStrategy, inputOf: () => AutoInput): ResolvedStrategy {
  if (strategy !== 'auto') return strategy;
  const input = inputOf();
  const { plan, nodes, mayPlan } = input;
  if (nodes.length < 2) return 'first-available';
  const hasSpeeds = nodes.some(({ speed }) => speed !== nodes[0]!.speed);
  const isUneven = hasSpeeds || nodes.some((node) => !isLike(node, nodes[0]!));
  if (mayPlan && !isOpen(plan) && (isUneven || movesMuch(input)) && isWorthPlanning(input)) return 'time-optimized';
  return hasSpeeds && plan.size >= fewFunctions ? 'load-balanced' : 'first-available';
}

function isLike(a: PlannerNode, b: PlannerNode): boolean {
  return a.threads === b.threads && areEqual(a.capabilities, b.capabilities);
}

function areEqual(a: Capabilities, b: Capabilities): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}

/** Whether the run may turn out otherwise than a plan expects: it may skip functions, grow, or wait for a limit. */
function isOpen(plan: CompiledDag): boolean {
  return plan.branches !== null || plan.maps !== null || usesLimits(plan);
}

function usesLimits({ uses }: CompiledDag): boolean {
  return uses.some((each) => each !== undefined);
}

/** Whether the nodes are on several hosts and a result is large. */
function movesMuch({ plan, nodes, bytesOf }: AutoInput): boolean {
  if (nodes.every(({ site }) => site !== undefined && site === nodes[0]!.site)) return false;
  for (let i = 0; i < plan.size; i++) if (bytesOf(i) >= largeBytes) return true;
  return false;
}

function isWorthPlanning(input: AutoInput): boolean {
  const { plan, nodes } = input;
  const step = Math.max(1, Math.floor(plan.size / sample));
  if (!isLongAndKnown(lookAt(input, step))) return false;
  const all = lookAt(input, 1);
  const power = nodes.reduce((sum, { threads, speed }) => sum + threads * speed, 0);
  return isLongAndKnown(all) && all.ms / power >= shortestRun;
}

interface Look {
  readonly functions: number;
  readonly unknown: number;
  /** The sum of the durations. */
  readonly ms: number;
}

function lookAt({ plan, isKnown, durationOf }: AutoInput, step: number): Look {
  let [functions, unknown, ms] = [0, 0, 0];
  for (let i = 0; i < plan.size; i += step) {
    functions++;
    if (isKnown(i)) ms += durationOf(i);
    else unknown++;
  }
  return { functions, unknown, ms };
}

function isLongAndKnown({ functions, unknown, ms }: Look): boolean {
  return unknown <= functions * maxUnknown && ms >= functions * worthFrom;
}
