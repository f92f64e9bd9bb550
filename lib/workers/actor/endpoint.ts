/// <reference path="./comlink-node-adapter.d.ts" />
/** Comlink over a MessagePort of worker_threads. */
import type { MessagePort } from 'node:worker_threads';
import type { Endpoint } from 'comlink';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';

export function endpointOf(port: MessagePort): Endpoint {
  return nodeEndpoint(port);
}
