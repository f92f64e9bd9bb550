/** Effect's workflow engine over a cluster of one process, which keeps its messages in SQLite: each step an activity. */
import * as NodeCrypto from '@effect/platform-node-shared/NodeCrypto';
import { SqliteClient } from '@effect/sql-sqlite-node';
import { Effect, Layer, Logger, Schema } from 'effect';
import { ClusterWorkflowEngine, SingleRunner } from 'effect/unstable/cluster';
import { Activity, Workflow } from 'effect/unstable/workflow';
import { jobOf, measured, runId, step } from './work.ts';

const { store, steps, order, marks } = jobOf(process.argv.slice(2));

const Steps = Workflow.make('Steps', { payload: { id: Schema.String }, idempotencyKey: ({ id }) => id });
const StepsLayer = Steps.toLayer(() => {
  const one = (k: number) =>
    Activity.make({ name: `step-${k}`, success: Schema.Number, execute: Effect.promise(() => step(k, marks)) });
  return Effect.forEach(
    Array.from({ length: steps }, (_, k) => k),
    one,
    {
      concurrency: order === 'parallel' ? 'unbounded' : 1,
      discard: true,
    },
  );
});
const layer = StepsLayer.pipe(
  Layer.provideMerge(ClusterWorkflowEngine.layer),
  Layer.provideMerge(SingleRunner.layer()),
  Layer.provide(SqliteClient.layer({ filename: `${store}.db` })),
  Layer.provide(NodeCrypto.layer),
  Layer.provide(Logger.layer([])),
);
const program = Effect.gen(function* () {
  const context = yield* Effect.context<never>();
  yield* Effect.promise(() => measured(() => Effect.runPromiseWith(context)(Steps.execute({ id: runId }) as never)));
});
await Effect.runPromise(program.pipe(Effect.provide(layer)) as Effect.Effect<void>);
process.exit(0);
