/** Plays scenarios until one violates an invariant, and then reduces that one. */
import { messageOf } from '../../core/message-of.ts';
import { dependenciesOf } from '../../dag/validation/check.ts';
import type { FunctionArgument } from '../../dag/types.ts';
import { type RunSpec, play, randomScenario, type ScenarioSpec } from './scenario.ts';

export interface Finding {
  readonly seed: number;
  /** The violation in the original scenario. */
  readonly message: string;
  /** The smallest scenario found with a violation, and its message. */
  readonly smallest: ScenarioSpec;
  readonly smallestMessage: string;
}

/**
 * Plays scenarios `from`, `from + 1`, …
 *
 * @returns the first with a violation
 */
export function search(from: number, runs: number, onRun: (seed: number) => void = () => {}): Finding | undefined {
  for (let seed = from; seed < from + runs; seed++) {
    const spec = randomScenario(seed);
    const message = breaks(spec);
    if (message !== undefined) {
      const smallest = shrink(spec);
      return { seed, message, smallest, smallestMessage: breaks(smallest)! };
    }
    onRun(seed);
  }
  return undefined;
}

/** The violation of a scenario; undefined if there is none. */
export function breaks(spec: ScenarioSpec): string | undefined {
  try {
    play(spec);
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

/** The events of a scenario up to its violation, one per line. */
export function trace(spec: ScenarioSpec): string[] {
  const lines: string[] = [];
  const line = (at: number, text: string): void => void lines.push(`${at.toFixed(2).padStart(10)}  ${text}`);
  try {
    play(spec, {
      began: (run, i, node, attempt, at) =>
        line(at, `${node} begins ${run.id}/${run.plan.entries[i]!.id}${attempt === 1 ? '' : `, attempt ${attempt}`}`),
      ended: (run, i, node, gave, at) =>
        line(at, `${node} ends ${run.id}/${run.plan.entries[i]!.id}${gave ? '' : ', without a result'}`),
      handled: (event, commands) =>
        line(event.now, `${describe(event)}${commands.length === 0 ? '' : ` → ${commands.map(describe).join(', ')}`}`),
      noted: (text, at) => line(at, text),
    });
  } catch (error) {
    lines.push(`            broken: ${messageOf(error)}`);
  }
  return lines;
}

/** A description of an event or a command. */
function describe(each: object): string {
  const { type, batch, node, thread, timer, run, count, limit, failed } = each as Record<string, unknown>;
  const id = (value: unknown): unknown =>
    typeof value === 'object' && value !== null
      ? ((value as { id?: unknown; name?: unknown }).id ?? (value as { name?: unknown }).name)
      : value;
  const facts: Record<string, unknown> = {
    batch: id(batch),
    node: id(node),
    thread,
    timer,
    run: id(run),
    count,
    limit,
    function: (failed as { index?: number } | undefined)?.index,
  };
  const text = Object.entries(facts)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name} ${String(value)}`);
  return text.length === 0 ? String(type) : `${String(type)} (${text.join(', ')})`;
}

// A smaller scenario runs differently, so each gets several chances to fail.
const chances = 12;

/** Reduces a scenario while it still fails. */
export function shrink(spec: ScenarioSpec): ScenarioSpec {
  let smallest = spec;
  for (let progress = true; progress;) {
    progress = false;
    for (const smaller of reductions(smallest)) {
      const found = firstThatBreaks(smaller);
      if (found === undefined) continue;
      smallest = found;
      progress = true;
      break;
    }
  }
  return smallest;
}

function firstThatBreaks(spec: ScenarioSpec): ScenarioSpec | undefined {
  for (let k = 0; k < chances; k++) {
    const other = { ...spec, seed: spec.seed + k * 7919 };
    if (isPlayable(other) && breaks(other) !== undefined) return other;
  }
  return undefined;
}

/** Whether a reduced scenario is valid: no function has an argument or a node that was removed. */
function isPlayable({ runs, nodes }: ScenarioSpec): boolean {
  return runs.length > 0 && nodes.length > 0 && runs.every(({ functions }) => functions.length > 0);
}

function* reductions(spec: ScenarioSpec): Generator<ScenarioSpec> {
  for (const [k, run] of spec.runs.entries()) {
    if (spec.runs.length > 1) yield { ...spec, runs: spec.runs.toSpliced(k, 1) };
    for (let size = run.functions.length >> 1; size >= 1; size >>= 1) {
      for (let from = 0; from < run.functions.length; from += size)
        yield { ...spec, runs: spec.runs.with(k, without(run, from, size)) };
    }
    for (const key of Object.keys(run.graphs ?? {})) {
      const { [key]: _, ...graphs } = run.graphs!;
      yield { ...spec, runs: spec.runs.with(k, { ...run, graphs }) };
    }
    if (run.settings.speculate)
      yield { ...spec, runs: spec.runs.with(k, { ...run, settings: { ...run.settings, speculate: null } }) };
    if (run.abortAt !== undefined) yield { ...spec, runs: spec.runs.with(k, { ...run, abortAt: undefined }) };
  }
  yield* fewerTakeovers(spec);
  for (const name of Object.keys(spec.faults) as (keyof ScenarioSpec['faults'])[]) {
    if (spec.faults[name] !== 0 && name !== 'nodeReturn' && name !== 'silence')
      yield { ...spec, faults: { ...spec.faults, [name]: 0 } };
  }
  if (spec.latency > 0) yield { ...spec, latency: 0 };
  for (const [k, node] of spec.nodes.entries()) {
    if (node.threads > 1) yield { ...spec, nodes: spec.nodes.with(k, { ...node, threads: 1 }) };
  }
}

function* fewerTakeovers({ durability, ...spec }: ScenarioSpec): Generator<ScenarioSpec> {
  if (durability === undefined) return;
  yield spec;
  for (const k of durability.takeovers.keys())
    yield { ...spec, durability: { ...durability, takeovers: durability.takeovers.toSpliced(k, 1) } };
  if (durability.unkept > 0) yield { ...spec, durability: { ...durability, unkept: 0 } };
  if (durability.writeMs > 0) yield { ...spec, durability: { ...durability, writeMs: 0 } };
}

function argsWithout(args: readonly FunctionArgument[], gone: ReadonlySet<string>): FunctionArgument[] {
  return args.filter((arg) => !dependenciesOf([arg], undefined).some((id) => gone.has(id)));
}

/** A run without some of its functions, and without references to them. */
function without(run: RunSpec, from: number, count: number): RunSpec {
  const gone = new Set(run.functions.slice(from, from + count).map(({ id }) => id));
  const functions = run.functions
    .filter(({ id }) => !gone.has(id))
    .map(({ node, when, map, ...spec }) => ({ ...spec, node, when, map, args: argsWithout(spec.args ?? [], gone) }))
    .map(({ node, when, map, ...spec }) => ({
      ...spec,
      ...(map !== undefined && spec.args.length > 0 && { map }),
      ...(when !== undefined && !gone.has(typeof when === 'string' ? when : when.id) && { when }),
      ...(node !== undefined && !(typeof node === 'object' && gone.has(node.collocatedWith)) && { node }),
    }));
  return { ...run, functions };
}
