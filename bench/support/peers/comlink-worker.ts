import { parentPort } from 'node:worker_threads';
import { expose } from 'comlink';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';
import call from '../tasks.ts';

expose({ call }, nodeEndpoint(parentPort!));
