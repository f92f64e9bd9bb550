/**
 * References to code. A closure cannot cross a thread, so code is named: an export of a module, or source text.
 *
 * A reference made by `tasks()` or `fromSource()` is also a function of the value form: calling it does not run anything, it makes a
 * `Call`, the vertex that stands for the result.
 */
import { HandoffError } from '../core/errors.ts';
import { notData } from '../core/serializable.ts';
import { show } from '../core/show.ts';
import { type Call, createCall } from './call.ts';
import { type FunctionReference, moduleProblem, nameOf, reference } from './code.ts';
import type { AnyFunction, Task, Tasks } from './task.ts';

/**
 * The functions that a module exports, as references that threads and hosts import by URL.
 *
 * ```ts
 * const t = tasks<typeof import('./tasks.ts')>(new URL('./tasks.ts', import.meta.url));
 * ```
 *
 * Overloads are kept, up to four of a function. A generic function gives `Call<unknown>`: TypeScript cannot carry its type parameters over. Name
 * the instance that is meant, or say what one call gives:
 *
 * ```ts
 * import type * as m from './tasks.ts';
 * const t = tasks<Omit<typeof m, 'first'> & { first: typeof m.first<number> }>(new URL('./tasks.ts', import.meta.url));
 * const n = t.first(rows) as Call<number>;
 * ```
 *
 * Whether the module has the export is checked before a run starts (`FUNCTION_NOT_FOUND`).
 *
 * @param module a `file:` URL, or a bare package specifier, which is resolved from the working directory
 * @throws `INVALID_FUNCTION` when `module` is neither
 */
export function tasks<Module>(module: URL | string): Tasks<Module> {
  const name = module instanceof URL ? module.href : module;
  const problem = typeof name === 'string' ? moduleProblem(name) : 'it is neither.';
  if (problem !== undefined) throw new HandoffError('INVALID_FUNCTION', `tasks() takes a file: URL or the name of a package, not ${show(name)}: ${problem}`);
  const made = new Map<string, unknown>();
  const base = { [notData]: `the tasks of ${name}`, [Symbol.toPrimitive]: () => refuseText(`The tasks of ${name} are`, 'name the one that is meant, and call it') };
  return new Proxy(base as unknown as Tasks<Module>, {
    get(_, key) {
      if (typeof key === 'symbol') return base[key as keyof typeof base];
      // `then` stays undefined: a proxy that is returned from an async function must not look like a promise.
      if (key === 'then') return undefined;
      let task = made.get(key);
      if (task === undefined) {
        task = callable({ module: name, export: key });
        made.set(key, task);
      }
      return task;
    },
  });
}

/**
 * A function that travels as source text. It must not use anything from around it except globals: a variable that it does not
 * define itself is `INLINE_CLOSURE` before a run starts.
 *
 * @throws `INVALID_FUNCTION` when `fn` is not a function with source, as a built-in or a bound function is not
 */
export function fromSource<Fn extends AnyFunction>(fn: Fn): Task<Fn> {
  const source = typeof fn === 'function' ? Function.prototype.toString.call(fn) : '';
  if (source === '' || /\{\s*\[native code\]\s*\}\s*$/.test(source)) {
    throw new HandoffError('INVALID_FUNCTION', `fromSource() takes a function with source text, got ${describe(fn)}.`);
  }
  return callable({ source, name: fn.name || 'anonymous' }) as Task<Fn>;
}

function callable(code: FunctionReference): unknown {
  const task = (...args: readonly unknown[]): Call<unknown> => createCall(code, args);
  const name = nameOf(code);
  const toPrimitive = (): never => refuseText(`The task ${name} is`, `call it, as ${name}(…), and pass that as an argument`);
  Object.defineProperties(task, {
    [reference]: { value: Object.freeze(code) },
    name: { value: name },
    [notData]: { value: `the task ${name}, which is not called: write ${name}(…)` },
    [Symbol.toPrimitive]: { value: toPrimitive },
  });
  return Object.freeze(task);
}

function refuseText(what: string, instead: string): never {
  throw new HandoffError('INVALID_FUNCTION', `${what} used as a text or a number: ${instead}.`);
}

function describe(value: unknown): string {
  return typeof value === 'function' ? `the built-in or bound function ${value.name || 'without a name'}` : show(value);
}
