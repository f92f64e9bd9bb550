/** Options in a file, `handoff.config.ts`, shared by programs and the command. */
import { messageOf } from '../../core/message-of.ts';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { show } from '../../core/show.ts';
import { HandoffError } from '../../core/errors.ts';
import type { HandoffOptions } from './handoff-options.ts';
import { isRecord } from '../../core/values.ts';

/** Names that are looked for in the working directory. */
export const configNames = [
  'handoff.config.ts',
  'handoff.config.mts',
  'handoff.config.js',
  'handoff.config.mjs',
] as const;

export interface Config {
  /** Undefined when there is none. */
  readonly file: string | undefined;
  readonly options: HandoffOptions;
}

/**
 * Reads options from a configuration file: its default export, or what that returns if it is a function.
 * `Handoff.start` checks the options.
 *
 * @param file default: `handoff.config.ts`, `.mts`, `.js` or `.mjs` in the working directory
 * @returns the options; none when there is no such file and `file` was not given
 * @throws `INVALID_OPTION` when the file is missing, cannot be imported, or has no usable default export; the errors of
 *   the exported function
 * @example
 * ```ts
 * const handoff = await Handoff.start(await loadConfig());
 * ```
 */
export async function loadConfig(file?: string): Promise<HandoffOptions> {
  return (await readConfig(file)).options;
}

/** Like `loadConfig`, with the path of the file. */
export async function readConfig(given?: string): Promise<Config> {
  const file = given ?? find();
  if (file === undefined) return { file, options: {} };
  const path = resolve(file);
  if (!existsSync(path)) throw invalidConfig(`There is no configuration ${file}.`);
  const module = await importModule(file, path);
  if (!('default' in module))
    throw invalidConfig(
      `${file} has no default export. Export options, or a function that returns them: export default { nodes: […] }.`,
    );
  const exported = module['default'];
  const options: unknown = typeof exported === 'function' ? await (exported as () => unknown)() : exported;
  if (!isRecord(options))
    throw invalidConfig(
      `The default export of ${file} must be options of Handoff.start, or a function that returns them; it ${typeof exported === 'function' ? 'returned' : 'is'} ${show(options)}.`,
    );
  return { file, options };
}

function find(): string | undefined {
  const [first, second] = configNames.filter((name) => existsSync(name));
  // Refused, because the choice between two files would not be obvious.
  if (second !== undefined)
    throw invalidConfig(`There are both ${first} and ${second} here: keep one, or name the one to use.`);
  return first;
}

async function importModule(file: string, path: string): Promise<Record<string, unknown>> {
  try {
    return (await import(pathToFileURL(path).href)) as Record<string, unknown>;
  } catch (cause) {
    throw invalidConfig(`${file} cannot be imported: ${messageOf(cause)}`, {
      cause,
    });
  }
}

function invalidConfig(message: string, details: { readonly cause?: unknown } = {}): HandoffError {
  return new HandoffError('INVALID_OPTION', message, { option: 'config', ...details });
}
