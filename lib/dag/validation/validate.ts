/**
 * Validates a DAG as a whole: cycles, missing functions, and rules for the types of functions. Finds the first error.
 */
import type { DagError } from '../../core/errors.ts';
import { show } from '../../core/show.ts';
import { collocate } from './collocation.ts';
import { dagError } from '../dag-error.ts';
import { findContradiction } from './contradiction.ts';
import type { DagParts, Entry } from '../compile/entry.ts';
import { findCycle, link, type Links, sortTopologically } from '../compile/links.ts';
import { didYouMean, nearest } from '../../core/suggest.ts';

/**
 * The first error of a DAG; undefined if it is valid.
 *
 * The order is that of the original's `DAG.validate`: cycles, then missing functions, then rules for single functions.
 */
export function validate(parts: DagParts): DagError | undefined {
  const links = link(parts);
  return validateLinked(parts, links, sortTopologically(links));
}

/** The same for a DAG that is already linked and sorted. */
export function validateLinked(parts: DagParts, links: Links, order: Int32Array): DagError | undefined {
  if (order.length < links.size) return cyclic(parts, findCycle(links, order));
  const gap = links.deps.indexOf(-1);
  if (gap >= 0) return missing(parts, links, gap);
  for (const i of parts.traited) {
    const entry = parts.entries[i]!;
    const { type } = entry.traits;
    const error =
      checkBranches(parts, entry) ??
      checkMap(parts, entry) ??
      (type === 'regular' ? undefined : type === 'inline' ? checkInline(entry) : checkInput(entry));
    if (error !== undefined) return error;
  }
  return collocate(parts).error ?? findContradiction(parts, links, order);
}

// The message is limited; the error's `cycle` is complete.
const shownInCycle = 20;

function cyclic({ entries }: DagParts, cycle: readonly number[]): DagError {
  const ids = cycle.map((i) => entries[i]!.id);
  const shown = ids.length <= shownInCycle ? ids : [...ids.slice(0, shownInCycle - 1), `… (${ids.length} in all)`];
  const path = [...shown, ids[0]!].join(' -> ');
  return dagError('CYCLIC_DEPENDENCY', `Functions depend on each other in a circle: ${path}.`, {
    functionId: ids[0]!,
    cycle: ids,
  });
}

function missing({ entries, index }: DagParts, { depOffset }: Links, gap: number): DagError {
  let at = 0;
  while (depOffset[at + 1]! <= gap) at++;
  const entry = entries[at]!;
  const wanted = entry.args[gap - depOffset[at]!]!;
  const functionId = entry.traits.transforms?.consumer ?? entry.id;
  const suggestion = nearest(wanted, index.keys());
  const text = `Function ${show(functionId)} takes ${show(wanted)}, which is not in the DAG.${didYouMean(suggestion)}`;
  return dagError('MISSING_FUNCTION', text, {
    functionId,
    missing: wanted,
    ...(suggestion !== undefined && { suggestion }),
  });
}

/** Only a function with a result of its own can decide a branch, or be skipped. */
function checkBranches({ entries, index }: DagParts, { id, traits }: Entry): DagError | undefined {
  if (traits.written === undefined) return undefined;
  const named: (readonly [how: string, id: string])[] = traits.when === undefined ? [] : [['when', traits.when.id]];
  for (const arg of traits.written) {
    if (typeof arg === 'string') continue;
    if ('anyOf' in arg) named.push(...arg.anyOf.map((each) => ['anyOf', each] as const));
    if ('optional' in arg) named.push(['optional', arg.optional]);
  }
  for (const [how, other] of named) {
    const type = entries[index.get(other)!]!.traits.type;
    if (type === 'regular') continue;
    const kind = type === 'inline' ? 'inline and has no result of its own' : 'an input';
    const text = `Function ${show(id)}: ${how} names ${show(other)}, which is ${kind}. Name a regular function.`;
    return dagError('INVALID_FUNCTION', text, { functionId: id });
  }
  return undefined;
}

/** A map has a list, its elements have no node in common with others, and what they take is not transformed. */
function checkMap({ entries, index }: DagParts, { id, args, extraArgs, traits }: Entry): DagError | undefined {
  const refused = (problem: string): DagError =>
    dagError('INVALID_FUNCTION', `Function ${show(id)} ${problem}`, { functionId: id });
  if (typeof traits.node === 'object' && traits.map === undefined && traits.transforms === undefined) {
    const target = entries[index.get(traits.node.collocatedWith) ?? -1];
    if (target?.traits.map !== undefined)
      return refused(
        `is collocated with the map ${show(target.id)}, whose elements may run on several nodes. Give both a node by name, or leave collocatedWith out.`,
      );
  }
  if (traits.map === undefined) return undefined;
  const count = (traits.layout ?? [...(traits.written ?? args), ...extraArgs]).length;
  if (count === 0 && !traits.list) return refused('is a map without a list: its first argument must be one.');
  if (typeof traits.node === 'object')
    return refused(
      'is a map with collocatedWith. Its elements may run on several nodes: name a node, or leave it out.',
    );
  const transformed = traits.written?.find((arg) => typeof arg === 'object' && 'id' in arg);
  if (transformed !== undefined)
    return refused('is a map with an Argument. Transform the value by a function of the DAG.');
  return undefined;
}

// These are refused because ignoring them would change what runs, unlike hints such as `priority`.
const notInline = ['node', 'init', 'cost', 'uses', 'timeout', 'retryIf', 'when', 'map'] as const;

function checkInline({ id, traits }: Entry): DagError | undefined {
  const extra = notInline.find((field) => traits[field] !== undefined);
  if (extra === undefined) return undefined;
  const text = `Inline function ${show(id)} has ${extra}. It runs inside each dependent, on the same node and in the same attempt`;
  return dagError('INVALID_INLINE_FUNCTION', `${text}: set ${extra} on the dependents.`, { functionId: id });
}

function checkInput({ id, args, code, extraArgs, traits }: Entry): DagError | undefined {
  const extra =
    args.length > 0
      ? 'args'
      : code !== null
        ? 'code'
        : extraArgs.length > 0
          ? 'extraArgs'
          : traits.cost !== undefined
            ? 'a cost'
            : traits.init !== undefined
              ? 'init'
              : undefined;
  if (extra === undefined) return undefined;
  const text = `Input function ${show(id)} has ${extra}. An input only receives what is pushed into a stream`;
  return dagError('INVALID_INPUT_FUNCTION', `${text}: code is null, and it has no args, cost or init.`, {
    functionId: id,
  });
}
