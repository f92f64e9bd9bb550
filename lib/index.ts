/** The public names of `handoffjs`, nothing else. */
export { type AllocationStrategy, type Allocator } from './allocation/allocator.ts';
export { type ResourceTracker, SimpleResourceTracker } from './allocation/resource-tracker.ts';
export { SimpleAllocator } from './allocation/simple-allocator.ts';
export type { Call, CallOptions } from './dag/call.ts';
export { Dag, type DagJson, type Validation } from './dag/dag.ts';
export { type DrawOptions, toDot, toMermaid, toSvg } from './dag/draw.ts';
export { type CodeLike, type FunctionReference, inline, tasks } from './dag/reference.ts';
export type { CannotLeaveThread, Edge, Task, Tasks } from './dag/task.ts';
export type { Argument, Capabilities, Cost, FunctionSpec, Placement, ResolvedFunction, RetryDelay, Transform } from './dag/types.ts';
export { dag, type Outputs, type Resolved, type ValueDag } from './dag/value-dag.ts';
export { type DagError, type DagErrorCode, type ErrorCode, errorCodes, HandoffError, isHandoffError } from './errors.ts';
export type { Exit, Strategy as SupervisionStrategy, TreeNode } from './actor/child.ts';
export { type EventOf, type EventType, eventTypes, type HandoffEvent } from './observe/events.ts';
export { Handoff } from './runtime/handoff.ts';
export type { HandoffOptions, NodeOptions } from './runtime/options.ts';
export type { ExecuteResult, RunStats } from './runtime/outcome.ts';
export type { PlanResult, ScheduledFunction } from './runtime/plan-preview.ts';
export type { ExecuteOptions, Progress } from './runtime/run-options.ts';
