/** A Handoff for a spec file, and the functions it runs. */
import { afterAll, beforeAll } from 'vitest';
import { Dag, type FunctionSpec, Handoff, HandoffError, type HandoffOptions, tasks } from '../../lib/index.ts';

export const t = tasks<typeof import('../fixtures/tasks.ts')>(new URL('../fixtures/tasks.ts', import.meta.url));
export const c = tasks<typeof import('../fixtures/context-tasks.ts')>(
  new URL('../fixtures/context-tasks.ts', import.meta.url),
);

/** Nodes with more threads than this machine may have cores: what waits on a gate must not depend on that. */
export const twoNodes: NonNullable<HandoffOptions['nodes']> = [
  { name: 'a', capabilities: { cpu: 2, memory: 2000 }, threads: 2 },
  { name: 'b', capabilities: { cpu: 2, memory: 4000, gpu: 1 }, threads: 2 },
];

/** Starts a Handoff before the specs of a file and stops it after them. */
export function useHandoff(options: HandoffOptions = { nodes: twoNodes }, { learns = false } = {}): () => Handoff {
  let handoff: Handoff | undefined;
  beforeAll(async () => {
    // What was learned of functions in one spec must not change the order in which those of the next are started.
    handoff = await Handoff.start(learns ? options : { costModel: { learn: false }, ...options });
  });
  afterAll(async () => {
    await handoff?.stop();
  });
  return () => handoff!;
}

export function dagOf(...functions: FunctionSpec[]): Dag {
  return functions.reduce((dag, spec) => dag.add(spec), new Dag());
}

/** The error a promise is rejected with. */
export async function errorOf(promise: Promise<unknown>): Promise<HandoffError> {
  const error: unknown = await promise.then(
    () => undefined,
    (rejection: unknown) => rejection,
  );
  if (!(error instanceof HandoffError))
    throw new Error(`expected a HandoffError, got ${String(error)}`, { cause: error });
  return error;
}

/** The error a function throws. */
export function thrownBy(fn: () => unknown): HandoffError {
  try {
    fn();
  } catch (error) {
    if (error instanceof HandoffError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

/** A counter that functions in all threads can raise. */
export function counter(): { readonly memory: SharedArrayBuffer; readonly value: number } {
  const memory = new SharedArrayBuffer(4);
  return {
    memory,
    get value() {
      return Atomics.load(new Int32Array(memory), 0);
    },
  };
}
