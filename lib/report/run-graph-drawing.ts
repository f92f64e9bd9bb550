/** What a traced run became, as a DAG to draw: with the elements of its maps, and the graphs that functions answered with. */
import { Dag } from '../dag/dag.ts';
import type { TracedFunction } from './trace-file.ts';

/** A map with more elements is one box. */
const maxElements = 20;

export interface DrawnRun {
  readonly dag: Dag;
  /** Ids of functions that were skipped. */
  readonly skipped: readonly string[];
  /** By id: the node that the function ran on. */
  readonly allocations: Readonly<Record<string, string>>;
}

/**
 * The DAG of a run. A map takes its elements, and the first functions of a graph take the one that answered with it.
 *
 * @param dagId its id
 * @param functions those of the run, in the order in which they became known
 * @param ran by id of a function: the node it ran on
 */
export function drawnRun(
  dagId: string,
  functions: readonly TracedFunction[],
  ran: ReadonlyMap<string, string>,
): DrawnRun {
  const index = new Map(functions.map(({ id }, i) => [id, i]));
  const elements = functions.map(({ id }) => elementsOf(id, index));
  // Elements come after their map, and what is inside of an element after that one.
  const shownAs: number[] = [];
  for (const [i, { id }] of functions.entries()) {
    const owner = ownerOf(id, index);
    const isHidden = owner !== undefined && (shownAs[owner] !== owner || isLong(elements[owner]!));
    shownAs.push(isHidden ? shownAs[owner]! : i);
  }
  const labels = functions.map(({ id }, i) =>
    isLong(elements[i]!) ? `${id} (${elements[i]!.length.toLocaleString('en')} elements)` : id,
  );
  const dag = new Dag(dagId);
  const allocations: Record<string, string> = {};
  const skipped: string[] = [];
  for (const [i, { id, code, after, isSkipped }] of functions.entries()) {
    if (shownAs[i] !== i) continue;
    const label = labels[i]!;
    const isOpenMap = elements[i]!.length > 0 && !isLong(elements[i]!);
    const inputs = isOpenMap ? elements[i]! : after.length > 0 ? after : answeredBy(id, index);
    const args = new Set(inputs.map((input) => labels[shownAs[input]!]!));
    args.delete(label);
    dag.add({ id: label, code: { module: 'trace', export: code }, args: [...args] });
    if (isSkipped) skipped.push(label);
    const node = ran.get(id);
    if (node !== undefined) Object.defineProperty(allocations, label, { value: node, enumerable: true });
  }
  return { dag, skipped, allocations };
}

function isLong(elements: readonly number[]): boolean {
  return elements.length > maxElements;
}

/** The elements of a map; none for any other function. */
function elementsOf(id: string, index: ReadonlyMap<string, number>): readonly number[] {
  const elements: number[] = [];
  for (let i = index.get(`${id}[0]`); i !== undefined; i = index.get(`${id}[${elements.length}]`)) elements.push(i);
  return elements;
}

/** The map of an element, or the function that answered with the graph of a function. */
function ownerOf(id: string, index: ReadonlyMap<string, number>): number | undefined {
  const map = /^(.*)\[\d+\]$/s.exec(id)?.[1];
  if (map !== undefined && index.has(map)) return index.get(map);
  return answeredBy(id, index)[0];
}

function answeredBy(id: string, index: ReadonlyMap<string, number>): readonly number[] {
  for (let at = id.lastIndexOf('/'); at > 0; at = id.lastIndexOf('/', at - 1)) {
    const owner = index.get(id.slice(0, at));
    if (owner !== undefined) return [owner];
  }
  return [];
}
