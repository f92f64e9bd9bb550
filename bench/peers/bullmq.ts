/**
 * BullMQ on Redis: each step a job of one queue. In sequence, each job adds the next one when it has run, as a queue has
 * no order of jobs that several workers would keep.
 */
import { Queue, QueueEvents, Worker } from 'bullmq';
import { jobOf, measured, step } from './work.ts';

const { store, steps, order, marks } = jobOf(process.argv.slice(2));
const connection = { host: '127.0.0.1', port: Number(store), maxRetriesPerRequest: null };

interface Step {
  readonly k: number;
}
const queue = new Queue<Step>('steps', { connection });
const events = new QueueEvents('steps', { connection });
await events.waitUntilReady();
const addStep = (k: number) => ({ name: 'step', data: { k }, opts: { jobId: `step-${k}` } });

let left = Infinity;
let end = (): void => {};
const ended = new Promise<void>((resolve) => (end = resolve));
const worker = new Worker<Step>(
  'steps',
  async ({ data: { k } }) => {
    await step(k, marks);
    if (order === 'sequence' && k + 1 < steps) {
      const next = addStep(k + 1);
      await queue.add(next.name, next.data, next.opts);
    }
  },
  { connection, concurrency: order === 'parallel' ? 64 : 1, autorun: false },
);
worker.on('completed', ({ data: { k } }) => {
  left--;
  if (order === 'sequence' ? k === steps - 1 : left === 0) end();
});
await measured(async () => {
  left = steps - (await queue.getCompletedCount());
  const first = order === 'sequence' ? [addStep(0)] : Array.from({ length: steps }, (_, k) => addStep(k));
  await queue.addBulk(first); // one that is there already is not added again
  void worker.run();
  await ended;
});
await worker.close();
await events.close();
await queue.close();
