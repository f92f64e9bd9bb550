/**
 * Public API of `handoffjs/task`, for modules with functions. Importing it makes `context()` available to the functions
 * of this thread.
 *
 * @module handoffjs/task
 */
import './core/node-version.ts'; // first, so that an old Node fails with a clear message
import { contextSlot } from './workers/node/worker/context.ts';

export { choose, optional } from './dag/call.ts';
export { Dag } from './dag/dag.ts';
export { type Expand, expand } from './dag/expansion.ts';
export { fromSource, tasks } from './dag/reference.ts';
export { dag } from './dag/value-dag.ts';
export { context, type TaskContext, withContext } from './workers/node/worker/context.ts';
export { shared } from './workers/store/shared-arrays.ts';

contextSlot.used = true;
