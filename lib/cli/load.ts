/** From the file named on the command line to a DAG. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { isCall } from '../dag/call.ts';
import { Dag, type DagJson } from '../dag/dag.ts';
import { HandoffError } from '../core/errors.ts';
import { UsageError } from './exit.ts';

export interface LoadedDag {
  readonly dag: Dag;
  /** The ids of the outputs of a DAG of calls, in their shape. */
  readonly outputs: DagJson['outputs'];
}

/**
 * Imports a module and takes the DAG that is its default export, or that the function which is its default export gives.
 *
 * @param args passed to such a function
 * @throws `UsageError`; and whatever that function throws
 */
export async function loadDag(file: string, args: readonly string[]): Promise<LoadedDag> {
  const path = resolve(file);
  if (!existsSync(path)) throw new UsageError(`There is no file ${file}.`);
  const module = await importModule(file, path);
  if (!('default' in module)) throw new UsageError(`${file} has no default export. Export a DAG, or a function that gives one: export default dag('name', { … });`);
  const given: unknown = typeof module['default'] === 'function' ? await (module['default'] as (...args: readonly string[]) => unknown)(...args) : module['default'];
  return adopt(given, file);
}

async function importModule(file: string, path: string): Promise<Record<string, unknown>> {
  try {
    return (await import(pathToFileURL(path).href)) as Record<string, unknown>;
  } catch (error) {
    if (error instanceof HandoffError) throw error;
    throw new UsageError(`${file} cannot be imported: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  }
}

/** The module may use another copy of this package than this command: its DAG is then taken over as data. */
function adopt(given: unknown, file: string): LoadedDag {
  if (isCall(given)) throw new UsageError(`The default export of ${file} is a call. Wrap it: export default dag('name', call).`);
  const json = typeof given === 'object' && given !== null && 'toJSON' in given ? (given as { toJSON(): unknown }).toJSON() : given;
  if (typeof json !== 'object' || json === null || !Array.isArray((json as DagJson).functions)) {
    throw new UsageError(`The default export of ${file} is not a DAG: it is ${typeof given}.`);
  }
  const { outputs } = json as DagJson;
  try {
    return { dag: given instanceof Dag ? given : Dag.fromJSON(json as DagJson), outputs };
  } catch (error) {
    throw error instanceof HandoffError ? error : new UsageError(`The default export of ${file} is not a DAG.`);
  }
}
