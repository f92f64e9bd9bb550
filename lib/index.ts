/**
 * Public API of `handoffjs`. Nothing else belongs here.
 *
 * @module handoffjs
 */
import './core/node-version.ts'; // first, so that an old Node fails with a clear message
export type {
  AllocationStrategy,
  Allocator,
  ClusterView,
  DynamicAllocator,
  NodeView,
  ReadyFunction,
} from './scheduling/allocation/allocator.ts';
export { DynamicResourceTracker } from './scheduling/resources/dynamic-resource-tracker.ts';
export type { LimitOptions } from './scheduling/resources/limits.ts';
export type { LimitUse } from './scheduling/scheduler/claims/limits.ts';
export { type ResourceTracker, SimpleResourceTracker } from './scheduling/resources/resource-tracker.ts';
export { SimpleAllocator } from './scheduling/allocation/simple-allocator.ts';
export {
  type Call,
  type CallCondition,
  type CallOptions,
  type Choice,
  choose,
  optional,
  type Settled,
} from './dag/call.ts';
export { Dag, type DagJson, type Validation } from './dag/dag.ts';
export { type DrawOptions, toDot, toMermaid, toSvg } from './dag/draw.ts';
export type { Expand } from './dag/expansion.ts';
export type { CodeLike, FunctionReference } from './dag/code.ts';
export { fromSource, tasks, type TasksOptions } from './dag/reference.ts';
export { resultOf } from './dag/result-of.ts';
export type { ResultReference } from './dag/result-reference.ts';
export type { CannotLeaveThread, ClassReference, Edge, Task, Tasks } from './dag/task.ts';
export type {
  AnyOf,
  Argument,
  CacheOptions,
  Capabilities,
  Condition,
  Cost,
  FunctionArgument,
  FunctionSpec,
  MapOptions,
  Optional,
  Placement,
  ResolvedFunction,
  ResultOf,
  RetryDelay,
  Transform,
} from './dag/types.ts';
export { dag, type Outputs, type Resolved, type ValueDag } from './dag/value-dag.ts';
export {
  type DagError,
  type DagErrorCode,
  type ErrorCode,
  errorCodes,
  HandoffError,
  isHandoffError,
} from './core/errors.ts';
export type { Exit, Restart, Strategy as SupervisionStrategy, TreeNode } from './workers/supervision/child.ts';
export type { ActorDeath, AskOptions } from './workers/actor/cell.ts';
export type { ActorRef, Ask, Askable, Tell } from './workers/actor/ref.ts';
export type { HostUse, NodeProbe, NodeResources, NodeUse, ThreadUse } from './runtime/usage/resources.ts';
export { type EventOf, type EventType, eventTypes, type HandoffEvent } from './events/events.ts';
export type { ActorGroup } from './runtime/actors/actors.ts';
export type { MailboxOptions, SpawnOptions, SuperviseOptions } from './runtime/options/actor-options.ts';
export type { ResultOptions, StopOptions } from './runtime/options/call-options.ts';
export { loadConfig } from './runtime/options/config.ts';
export type { DashboardOptions } from './runtime/options/dashboard-options.ts';
export type { Explanation } from './engine/explain.ts';
export type { FunctionExplanation } from './engine/wait-text.ts';
export type { CostModelOptions } from './engine/costs/cost-options.ts';
export { Handoff } from './runtime/handoff.ts';
export type { CostModelJson, LearnedAmount, LearnedCode, LearnedFunction } from './engine/costs/cost-json.ts';
export type { HandoffOptions, NodeOptions } from './runtime/options/handoff-options.ts';
export type { ExecuteResult, RunStats } from './runtime/run-result.ts';
export type { RunFilter, RunHandle, RunState, RunSummary } from './runtime/durable/durable-runs.ts';
export type { Amounts, Change, Claim, Journal, LimitStore, NewRun, SharedLimit } from './journal/journal.ts';
export type { CachedResult, CacheStats, CacheStore, ResultToCache } from './journal/cache-store.ts';
export type {
  JournalOptions,
  NatsJournalOptions,
  PostgresJournalOptions,
  SqliteJournalOptions,
} from './runtime/options/journal-options.ts';
export type { PlanResult, ScheduledFunction } from './runtime/plan-preview.ts';
export type { PlanOptions } from './runtime/options/plan-options.ts';
export type { ExecuteOptions } from './runtime/options/execute-options.ts';
export type { Progress } from './events/progress.ts';
export type { SpeculateOptions } from './scheduling/scheduler/speculation/speculate-options.ts';
export type {
  NatsTransportOptions,
  TcpTransportOptions,
  TransportOptions,
} from './runtime/options/transport-options.ts';
export { type EventLogger, logEvents, type LogLevel, type LogOptions } from './log-events.ts';
