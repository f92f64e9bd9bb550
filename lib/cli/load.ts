/** Loads a DAG from the file named on the command line. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type ExpressionStatement, parse, type Pattern } from 'acorn';
import { isCall } from '../dag/call.ts';
import { Dag, type DagJson } from '../dag/dag.ts';
import { checkOutputs } from '../dag/expansion-answer.ts';
import { HandoffError } from '../core/errors.ts';
import { show } from '../core/show.ts';
import { ValueDag } from '../dag/value-dag.ts';
import { UsageError } from './exit.ts';

export interface LoadedDag {
  readonly dag: Dag;
  /** The ids of the outputs of a DAG of calls, in the shape of its outputs. */
  readonly outputs: DagJson['outputs'];
}

/**
 * Imports a module and takes its default export: a DAG, or a function that returns one.
 *
 * @param args passed to that function
 * @throws `UsageError` if there is no DAG, if it never comes, or if the function does not take the arguments
 * @throws what the function throws
 */
export async function loadDag(file: string, args: readonly string[]): Promise<LoadedDag> {
  const { promise: stuck, reject } = Promise.withResolvers<never>();
  // Nothing is left that could wake this process. Node would end it with a warning about this library.
  const onIdle = (): void =>
    reject(
      new UsageError(
        `${file} waits for something that never happens, at its top level or in the function that it exports. Check what it awaits.`,
      ),
    );
  process.once('beforeExit', onIdle);
  try {
    return await Promise.race([load(file, args), stuck]);
  } finally {
    process.off('beforeExit', onIdle);
  }
}

async function load(file: string, args: readonly string[]): Promise<LoadedDag> {
  const path = resolve(file);
  if (!existsSync(path)) throw new UsageError(`The file ${file} does not exist.`);
  const module = await importModule(file, path);
  if (!('default' in module))
    throw new UsageError(
      `${file} has no default export. Export a DAG, or a function that returns one: export default dag('name', { … });`,
    );
  checkArguments(file, module['default'], args);
  const exported: unknown = module['default'];
  return typeof exported === 'function'
    ? adopt(
        await (exported as (...args: readonly string[]) => unknown)(...args),
        `What the function exported by ${file} returns`,
      )
    : adopt(exported, `The default export of ${file}`);
}

/** @throws `UsageError` for arguments that would be ignored */
function checkArguments(file: string, exported: unknown, args: readonly string[]): void {
  if (args.length === 0) return;
  const said = args.map((each) => JSON.stringify(each)).join(' ');
  if (typeof exported !== 'function')
    throw new UsageError(
      `${file} exports a DAG, which takes no arguments, but got ${said}. To use arguments, export a function that returns the DAG.`,
    );
  const most = parameterCount(exported.toString());
  if (args.length > most)
    throw new UsageError(
      `The function that ${file} exports takes ${most === 0 ? 'no arguments' : most === 1 ? '1 argument' : `at most ${most} arguments`}, but got ${args.length}: ${said}.`,
    );
}

/** How many arguments a function takes, read from its source. Infinity if the source cannot be parsed. */
function parameterCount(source: string): number {
  let parameters: readonly Pattern[];
  try {
    const {
      body: [statement],
    } = parse(`(${source})`, { ecmaVersion: 'latest' });
    const { expression } = statement as ExpressionStatement;
    if (expression.type !== 'FunctionExpression' && expression.type !== 'ArrowFunctionExpression') return Infinity;
    parameters = expression.params;
  } catch {
    return Infinity; // a method, or native code
  }
  return parameters.at(-1)?.type === 'RestElement' || /\barguments\b/.test(source) ? Infinity : parameters.length;
}

async function importModule(file: string, path: string): Promise<Record<string, unknown>> {
  try {
    return (await import(pathToFileURL(path).href)) as Record<string, unknown>;
  } catch (error) {
    if (error instanceof HandoffError) throw error;
    throw new UsageError(`${file} cannot be imported: ${reasonOf(error)}`);
  }
}

/** The stack without Node's own frames, and what to do about syntax that Node does not strip. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const stack = (error.stack ?? error.message).replaceAll(/\n\s+at [^\n]*\bnode:internal\/[^\n]*/g, '').trimEnd();
  return (error as NodeJS.ErrnoException).code === 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX'
    ? `${stack}\nNode strips types only. Replace the enum, namespace or parameter property, or build the module and name the built file.`
    : stack;
}

/**
 * Takes over the DAG as data if the module uses another copy of this package than the command does.
 *
 * @param what the subject of the error if it is no DAG
 */
function adopt(given: unknown, what: string): LoadedDag {
  if (isCall(given)) throw new UsageError(`${what} is a call. Wrap it into a DAG: dag('name', { result: call }).`);
  const json =
    typeof given === 'object' && given !== null && 'toJSON' in given
      ? (given as { toJSON(): unknown }).toJSON()
      : given;
  if (typeof json !== 'object' || json === null || !Array.isArray((json as DagJson).functions))
    throw new UsageError(`${what} must be a DAG, got ${show(given)}. Make one with dag('name', { … }) or new Dag().`);
  const { outputs } = json as DagJson;
  try {
    return { dag: given instanceof Dag ? given : rebuilt(json as DagJson), outputs };
  } catch (error) {
    throw error instanceof HandoffError ? error : new UsageError(`${what} must be a DAG, got ${show(given)}.`);
  }
}

function rebuilt(json: DagJson): Dag {
  const { id, outputs, functions } = json;
  if (outputs === undefined) return Dag.fromJSON(json);
  checkOutputs({ dag: json, outputs });
  return new ValueDag(id, outputs, functions);
}
