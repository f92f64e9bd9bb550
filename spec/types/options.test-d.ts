/** The public types of options, and what their schemas accept, are the same. Checked by tsc. */
import type { InferInput } from 'valibot';
import { expectTypeOf } from 'vitest';
import type * as lib from '../../lib/index.ts';
import type * as metrics from '../../lib/metrics.ts';
import type * as otel from '../../lib/otel.ts';
import type * as simulated from '../../lib/simulate.ts';
import type { costModelSchema } from '../../lib/engine/costs/cost-options.ts';
import type { TcpOptions, tcpSchema } from '../../lib/hosts/transport/tcp/options.ts';
import type { logSchema } from '../../lib/log-events.ts';
import type { mailboxSchema, spawnSchema, superviseSchema } from '../../lib/runtime/options/actor-options.ts';
import type { resultSchema, stopSchema } from '../../lib/runtime/options/call-options.ts';
import type { dashboardSchema } from '../../lib/runtime/options/dashboard-options.ts';
import type { executeSchema } from '../../lib/runtime/options/execute-options.ts';
import type { handoffSchema, nodeSchema } from '../../lib/runtime/options/handoff-options.ts';
import type { natsSchema, postgresSchema, sqliteSchema } from '../../lib/runtime/options/journal-options.ts';
import type { planSchema } from '../../lib/runtime/options/plan-options.ts';
import type { natsTransportSchema, tcpTransportSchema } from '../../lib/runtime/options/transport-options.ts';
import type { faultsSchema } from '../../lib/scheduling/simulation/faults.ts';
import type { simulatedNodeSchema, simulateSchema } from '../../lib/scheduling/simulation/options.ts';
import type { speculateSchema } from '../../lib/scheduling/scheduler/speculation/speculate-options.ts';
import type { metricsSchema } from '../../lib/telemetry/metrics-options.ts';
import type { tracesSchema } from '../../lib/telemetry/trace-options.ts';

/** Schemas do not know `readonly` fields. */
type Writable<T> = { -readonly [Name in keyof T]: T[Name] };

expectTypeOf<Writable<lib.CostModelOptions>>().toEqualTypeOf<Writable<InferInput<typeof costModelSchema>>>();
expectTypeOf<Writable<TcpOptions>>().toEqualTypeOf<Writable<InferInput<typeof tcpSchema>>>();
expectTypeOf<Writable<lib.LogOptions>>().toEqualTypeOf<Writable<InferInput<typeof logSchema>>>();
expectTypeOf<Writable<lib.MailboxOptions>>().toEqualTypeOf<Writable<InferInput<typeof mailboxSchema>>>();
expectTypeOf<Writable<lib.SuperviseOptions>>().toEqualTypeOf<Writable<InferInput<typeof superviseSchema>>>();
expectTypeOf<Writable<lib.StopOptions>>().toEqualTypeOf<Writable<InferInput<typeof stopSchema>>>();
expectTypeOf<Writable<lib.ResultOptions>>().toEqualTypeOf<Writable<InferInput<typeof resultSchema>>>();
expectTypeOf<Writable<lib.DashboardOptions>>().toEqualTypeOf<Writable<InferInput<typeof dashboardSchema>>>();
expectTypeOf<Writable<lib.ExecuteOptions>>().toEqualTypeOf<Writable<InferInput<typeof executeSchema>>>();
expectTypeOf<Writable<lib.NodeOptions>>().toEqualTypeOf<Writable<InferInput<typeof nodeSchema>>>();
expectTypeOf<Writable<lib.PlanOptions>>().toEqualTypeOf<Writable<InferInput<typeof planSchema>>>();
expectTypeOf<Writable<lib.TcpTransportOptions>>().toEqualTypeOf<Writable<InferInput<typeof tcpTransportSchema>>>();
expectTypeOf<Writable<lib.NatsTransportOptions>>().toEqualTypeOf<Writable<InferInput<typeof natsTransportSchema>>>();
expectTypeOf<Writable<simulated.Faults>>().toEqualTypeOf<Writable<InferInput<typeof faultsSchema>>>();
expectTypeOf<Writable<simulated.SimulatedNode>>().toEqualTypeOf<Writable<InferInput<typeof simulatedNodeSchema>>>();
expectTypeOf<Writable<lib.SpeculateOptions>>().toEqualTypeOf<Writable<InferInput<typeof speculateSchema>>>();
expectTypeOf<Writable<metrics.CollectOptions>>().toEqualTypeOf<Writable<InferInput<typeof metricsSchema>>>();
expectTypeOf<Writable<otel.TraceOptions>>().toEqualTypeOf<Writable<InferInput<typeof tracesSchema>>>();

// Their fields are sets of options themselves, which are compared above.
expectTypeOf<lib.HandoffOptions>().toExtend<InferInput<typeof handoffSchema>>();
expectTypeOf<InferInput<typeof handoffSchema>>().toExtend<lib.HandoffOptions>();
expectTypeOf<keyof lib.HandoffOptions>().toEqualTypeOf<keyof InferInput<typeof handoffSchema>>();
expectTypeOf<lib.SpawnOptions>().toExtend<InferInput<typeof spawnSchema>>();
expectTypeOf<InferInput<typeof spawnSchema>>().toExtend<lib.SpawnOptions>();
expectTypeOf<keyof lib.SpawnOptions>().toEqualTypeOf<keyof InferInput<typeof spawnSchema>>();
expectTypeOf<simulated.SimulateOptions>().toExtend<InferInput<typeof simulateSchema>>();
expectTypeOf<InferInput<typeof simulateSchema>>().toExtend<simulated.SimulateOptions>();
expectTypeOf<keyof simulated.SimulateOptions>().toEqualTypeOf<keyof InferInput<typeof simulateSchema>>();
expectTypeOf<lib.SqliteJournalOptions>().toExtend<InferInput<typeof sqliteSchema>>();
expectTypeOf<InferInput<typeof sqliteSchema>>().toExtend<lib.SqliteJournalOptions>();
expectTypeOf<keyof lib.SqliteJournalOptions>().toEqualTypeOf<keyof InferInput<typeof sqliteSchema>>();
expectTypeOf<lib.PostgresJournalOptions>().toExtend<InferInput<typeof postgresSchema>>();
expectTypeOf<InferInput<typeof postgresSchema>>().toExtend<lib.PostgresJournalOptions>();
expectTypeOf<keyof lib.PostgresJournalOptions>().toEqualTypeOf<keyof InferInput<typeof postgresSchema>>();
expectTypeOf<lib.NatsJournalOptions>().toExtend<InferInput<typeof natsSchema>>();
expectTypeOf<InferInput<typeof natsSchema>>().toExtend<lib.NatsJournalOptions>();
expectTypeOf<keyof lib.NatsJournalOptions>().toEqualTypeOf<keyof InferInput<typeof natsSchema>>();
