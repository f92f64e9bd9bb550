import { parentPort } from 'node:worker_threads';
import call from '../tasks.ts';

parentPort!.on('message', ([id, task, args]: [number, Parameters<typeof call>[0][0], unknown[]]) =>
  parentPort!.postMessage([id, call([task, args])]),
);
