/** The ids of a run: its own, unique among current runs, and that of its DAG, which is a label. */

export interface RunIds {
  readonly runId: string;
  readonly dagId: string;
}

/** The ids of a run of the scheduler. */
export function idsOf({ id, plan }: { readonly id: string; readonly plan: { readonly dagId: string } }): RunIds {
  return { runId: id, dagId: plan.dagId };
}

/** The name of a run, for error texts. */
export function nameOfRun({ runId, dagId }: RunIds): string {
  return `run ${JSON.stringify(runId)} of DAG ${JSON.stringify(dagId)}`;
}
