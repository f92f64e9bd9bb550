/** How a run is named: by its own id, which no other run has at the same time, and by the id of its DAG, which is a label. */

export interface RunIds {
  readonly runId: string;
  readonly dagId: string;
}

/** The ids of a run of the scheduler. */
export function idsOf({ id, plan }: { readonly id: string; readonly plan: { readonly dagId: string } }): RunIds {
  return { runId: id, dagId: plan.dagId };
}

/** A run, for messages. */
export function nameOfRun({ runId, dagId }: RunIds): string {
  return `run ${JSON.stringify(runId)} of DAG ${JSON.stringify(dagId)}`;
}
