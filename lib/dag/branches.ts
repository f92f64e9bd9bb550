/** Branches of a compiled DAG: which functions are skipped, and what else is skipped with them. */
import type { Entry } from './compile/entry.ts';
import { type Branches, type CallPart, Flag } from './compile/compiled-dag.ts';
import type { Links } from './compile/links.ts';

interface Input {
  readonly entries: readonly Entry[];
  /** The functions that may have a condition. */
  readonly traited: readonly number[];
  readonly links: Links;
  readonly calls: ReadonlyMap<number, readonly CallPart[]>;
  indexOf(id: string): number;
  /** Written here: `Flag.decides`, and `Flag.ordered` for functions with a condition. */
  readonly flags: Uint8Array;
}

/** The branches of a graph without inline functions; null if no function has a condition. */
export function branchesOf({ entries, traited, links, calls, indexOf, flags }: Input): Branches | null {
  const when = new Map<number, { readonly of: number; readonly not: boolean }>();
  for (const i of traited) {
    const condition = entries[i]!.traits.when;
    if (condition === undefined) continue;
    const of = indexOf(condition.id);
    when.set(i, { of, not: condition.not === true });
    flags[of]! |= Flag.decides;
    flags[i]! |= Flag.ordered; // its worker does not know what the condition gave
  }
  if (when.size === 0) return null;
  const tolerated = new Map<number, ReadonlySet<number>>();
  const choices = new Map<number, readonly (readonly number[])[]>();
  for (const [i, call] of calls) {
    const uses = usesIn(call);
    if (uses.lenient.size === 0) continue;
    const row = links.deps.subarray(links.depOffset[i]!, links.depOffset[i + 1]!);
    tolerated.set(i, toleratedIn(row, uses, when.get(i)?.of));
    if (uses.choices.length > 0) choices.set(i, uses.choices);
  }
  return { when, tolerated, choices };
}

interface Uses {
  readonly strict: ReadonlySet<number>;
  /** The number of lenient uses, by function. */
  readonly lenient: ReadonlyMap<number, number>;
  readonly choices: readonly (readonly number[])[];
}

function usesIn(call: readonly CallPart[]): Uses {
  const strict = new Set<number>();
  const lenient = new Map<number, number>();
  const choices: (readonly number[])[] = [];
  const use = (of: number): void => void lenient.set(of, (lenient.get(of) ?? 0) + 1);
  const parts = [...call];
  for (let part = parts.pop(); part !== undefined; part = parts.pop()) {
    if (part.kind === 'result') strict.add(part.of);
    else if (part.kind === 'optional') use(part.of);
    else if (part.kind === 'anyOf') {
      part.of.forEach(use);
      choices.push(part.of);
    } else if (part.kind === 'list' || part.kind === 'call') parts.push(...part.parts);
  }
  return { strict, lenient, choices };
}

/** The dependencies that are used only by `anyOf` and `optional`: neither as results, nor for order or as a condition. */
function toleratedIn(row: Int32Array, { strict, lenient }: Uses, condition: number | undefined): Set<number> {
  const others = new Map(lenient);
  for (const dep of row) if (others.has(dep)) others.set(dep, others.get(dep)! - 1);
  return new Set([...lenient.keys()].filter((dep) => !strict.has(dep) && dep !== condition && others.get(dep)! >= 0));
}
