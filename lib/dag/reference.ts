/**
 * References to code. A closure cannot cross a thread, so code is named by an export of a module, or given as source
 * text.
 *
 * A reference made by `tasks()` or `fromSource()` can be called: the call runs nothing, but returns a `Call`, the
 * vertex that stands for the result.
 */
import { HandoffError } from '../core/errors.ts';
import { boolean } from '../core/option-types.ts';
import { option, optionSet, parseOptions } from '../core/options.ts';
import { notData } from '../core/serializable.ts';
import { show } from '../core/show.ts';
import { type Call, createCall } from './call.ts';
import { concurrentTask, type FunctionReference, moduleProblem, nameOf, reference } from './code.ts';
import { refuseText } from './refuse-text.ts';
import type { AnyFunction, Task, Tasks } from './task.ts';

/** Options of all functions of a module. */
export interface TasksOptions {
  /** Whether its functions are concurrent unless they say otherwise. Default false. */
  readonly concurrent?: boolean | undefined;
}

/**
 * References to the functions that a module exports. Threads and hosts import the module by its URL.
 *
 * A missing export is reported before a run starts (`FUNCTION_NOT_FOUND`).
 *
 * @param module a `file:` URL, or a bare package specifier, which is resolved from the working directory
 * @param options `concurrent`: whether its functions are concurrent unless they say otherwise; default false
 * @returns an object with a task for each exported function
 * @throws `INVALID_FUNCTION` when `module` is neither; `INVALID_OPTION` when an option is unknown or has a bad value
 * @example
 * ```ts
 * const t = tasks<typeof import('./tasks.ts')>(new URL('./tasks.ts', import.meta.url));
 * ```
 *
 * Up to four overloads of a function are kept. A generic function gives `Call<unknown>`, because TypeScript cannot
 * carry its type parameters over. Name the instance, or assert the type of one call:
 *
 * ```ts
 * import type * as m from './tasks.ts';
 * const t = tasks<Omit<typeof m, 'first'> & { first: typeof m.first<number> }>(new URL('./tasks.ts', import.meta.url));
 * const n = t.first(rows) as Call<number>;
 * ```
 */
export function tasks<Module>(module: URL | string, options: TasksOptions = {}): Tasks<Module> {
  const { concurrent } = parseOptions('tasks', tasksSchema, options);
  const name = module instanceof URL ? module.href : module;
  const problem = typeof name === 'string' ? moduleProblem(name) : 'it is neither.';
  if (problem !== undefined)
    throw new HandoffError(
      'INVALID_FUNCTION',
      `tasks() takes a file: URL or the name of a package, not ${show(name)}: ${problem}`,
    );
  const made = new Map<string, unknown>();
  const base = {
    [notData]: `the tasks of ${name}`,
    [Symbol.toPrimitive]: () => refuseText(`The tasks of ${name} are`, 'name one of them, and call it'),
  };
  return new Proxy(base as unknown as Tasks<Module>, {
    get(_, key) {
      if (typeof key === 'symbol') return base[key as keyof typeof base];
      // `then` stays undefined, so that an async function that returns the proxy does not treat it as a promise.
      if (key === 'then') return undefined;
      let task = made.get(key);
      if (task === undefined) {
        task = callable({ module: name, export: key }, concurrent);
        made.set(key, task);
      }
      return task;
    },
  });
}

/**
 * A reference to a function that is sent as source text. The function may use only its parameters, its own variables
 * and globals. Any other variable is reported before a run starts (`INLINE_CLOSURE`).
 *
 * @param fn the function
 * @returns a task that makes calls of the function
 * @throws `INVALID_FUNCTION` when `fn` is not a function or has no source, such as a built-in or bound function
 */
export function fromSource<Fn extends AnyFunction>(fn: Fn): Task<Fn> {
  const source = typeof fn === 'function' ? Function.prototype.toString.call(fn) : '';
  if (source === '' || /\{\s*\[native code\]\s*\}\s*$/.test(source)) {
    throw new HandoffError(
      'INVALID_FUNCTION',
      `fromSource() takes a function with source text, got ${describe(fn)}. Pass one that is written in JavaScript, not a bound or built-in one.`,
    );
  }
  return callable({ source, name: fn.name || 'anonymous' }) as Task<Fn>;
}

const tasksSchema = optionSet({
  concurrent: option(boolean, {
    description: 'Whether its functions are concurrent unless they say otherwise.',
    default: false,
  }),
});

function callable(code: FunctionReference, isConcurrent = false): unknown {
  const options = isConcurrent ? { concurrent: true } : undefined;
  const task = (...args: readonly unknown[]): Call<unknown> => createCall(code, args, options);
  const map = (...args: readonly unknown[]): Call<unknown> => createCall(code, args, { ...options, map: {} });
  const name = nameOf(code);
  const toPrimitive = (): never =>
    refuseText(`The task ${name} is`, `call it, as ${name}(…), and pass that as an argument`);
  const toJSON = (): never => {
    throw new HandoffError(
      'INVALID_FUNCTION',
      `The task ${name} is turned into JSON, which leaves it out: toJSON() of a DAG keeps it.`,
    );
  };
  Object.defineProperties(task, {
    [reference]: { value: Object.freeze(code) },
    name: { value: name },
    map: { value: map },
    [notData]: { value: `the task ${name}, which is not called: write ${name}(…)` },
    [Symbol.toPrimitive]: { value: toPrimitive },
    toJSON: { value: toJSON },
    ...(isConcurrent && { [concurrentTask]: { value: true } }),
  });
  return Object.freeze(task);
}

function describe(value: unknown): string {
  return typeof value === 'function' ? `the built-in or bound function ${value.name || 'without a name'}` : show(value);
}
