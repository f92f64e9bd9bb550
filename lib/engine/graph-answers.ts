/** The graphs that functions answer with, from their arrival until they are part of the run. */
import type { CompiledDag } from '../dag/compile/compiled-dag.ts';
import { checkOutputs, type GraphAnswer } from '../dag/expansion-answer.ts';
import { HandoffError } from '../core/errors.ts';
import { candidatesOf, mapLeaves, mapSlots, type OutputShape, type OutputSlot } from '../core/output-shape.ts';
import { show } from '../core/show.ts';
import { expansionOfOwner, spanOf, spanOfOwner } from '../scheduling/scheduler/growth/growth.ts';
import type { Expansion } from '../scheduling/scheduler/growth/span.ts';
import { type Run, Status } from '../scheduling/scheduler/state.ts';
import type { Composite } from '../workers/store/composite.ts';
import { decode } from '../workers/store/encode.ts';
import type { AnswerWire } from '../workers/node/wire.ts';
import type { ResolvedCode } from './module-resolver.ts';

/** A graph, checked and compiled, with its code. */
export interface CompiledAnswer {
  readonly plan: CompiledDag;
  readonly code: ResolvedCode;
  /** The hash of each of its modules, with everything that it imports. Empty for a run that is not recorded. */
  readonly modules: Readonly<Record<string, string>>;
}

/** The answer of a function. @throws `INVALID_FUNCTION` when its outputs are malformed; its DAG is not checked */
export function answerOf(wire: AnswerWire): GraphAnswer {
  const answer = 'graph' in wire ? wire.graph : (decode(wire.data) as GraphAnswer);
  checkOutputs(answer);
  return answer;
}

/** The shape of the result, by functions of the plan. @throws `MISSING_FUNCTION` when the plan has no such function */
export function shapeOf({ outputs }: GraphAnswer, plan: CompiledDag): OutputShape<number> {
  const indexOf = (id: string): number => {
    const i = plan.indexOf(id);
    if (i >= 0) return i;
    const text = `The graph is to give the result of ${show(id)}, which it does not have. Name a regular function of the graph.`;
    throw new HandoffError('MISSING_FUNCTION', text, { missing: id });
  };
  return mapLeaves(outputs, indexOf);
}

/** What the result of a map, or of a function that answered with a graph, consists of. */
export function compositeOf(run: Run, i: number): Composite {
  const list = spanOfOwner(run, i);
  if (list !== undefined) return { kind: 'list', list };
  return compositeOfGraph(run, expansionOfOwner(run, i)!, spanOf(run, i)?.map.settle === true);
}

function compositeOfGraph(run: Run, { shape }: Expansion, settles: boolean): Composite {
  const there = (slot: OutputSlot<number>): number =>
    candidatesOf(slot).find((i) => run.status[i] !== Status.skipped) ?? -1;
  return { kind: 'shape', shape: mapSlots(shape, there), settles };
}

/** The code of a run together with that of a graph. */
export function withCode(known: ResolvedCode, added: ResolvedCode, codes: Int32Array): ResolvedCode {
  return {
    ...known,
    codes,
    predicates: added.predicates.size === 0 ? known.predicates : new Map([...known.predicates, ...added.predicates]),
    usesContext: known.usesContext || added.usesContext,
  };
}
