/** What task modules may import. Importing it is what makes contexts available to the functions of this thread. */
import { contextSlot } from './node/worker/context.ts';

export { context, type TaskContext, withContext } from './node/worker/context.ts';
export { shared } from './store/shared-arrays.ts';

contextSlot.used = true;
