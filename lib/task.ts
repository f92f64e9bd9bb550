/** What task modules may import. Importing it is what makes contexts available to the functions of this thread. */
import './core/node-version.ts'; // first, so that it is what an old Node hears
import { contextSlot } from './workers/node/worker/context.ts';

export { context, type TaskContext, withContext } from './workers/node/worker/context.ts';
export { shared } from './workers/store/shared-arrays.ts';

contextSlot.used = true;
