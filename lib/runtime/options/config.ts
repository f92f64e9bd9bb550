/** Options in a file: `handoff.config.ts`, so that programs and the command start alike. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { show } from '../../core/show.ts';
import { HandoffError } from '../../core/errors.ts';
import type { HandoffOptions } from './handoff-options.ts';
import { isRecord } from '../../core/schema.ts';

/** Looked for in the working directory. */
export const configNames = ['handoff.config.ts', 'handoff.config.mts', 'handoff.config.js', 'handoff.config.mjs'] as const;

export interface Config {
  /** Undefined: there is none. */
  readonly file: string | undefined;
  readonly options: HandoffOptions;
}

/**
 * The options of a configuration file: its default export, or what the function gives which that is.
 *
 * ```ts
 * const handoff = await Handoff.start(await loadConfig());
 * ```
 *
 * What they may be `Handoff.start` checks.
 *
 * @param file default: `handoff.config.ts`, `.mts`, `.js` or `.mjs` of the working directory; no options when there is none
 * @throws `INVALID_OPTION`; whatever that function throws
 */
export async function loadConfig(file?: string): Promise<HandoffOptions> {
  return (await readConfig(file)).options;
}

/** The same, with the file that they come from. */
export async function readConfig(given?: string): Promise<Config> {
  const file = given ?? find();
  if (file === undefined) return { file, options: {} };
  const path = resolve(file);
  if (!existsSync(path)) throw invalidConfig(`There is no configuration ${file}.`);
  const module = await importModule(file, path);
  if (!('default' in module)) throw invalidConfig(`${file} has no default export. Export options, or a function that gives them: export default { nodes: […] }.`);
  const exported = module['default'];
  const options: unknown = typeof exported === 'function' ? await (exported as () => unknown)() : exported;
  if (!isRecord(options)) throw invalidConfig(`The default export of ${file} must be options of Handoff.start, or a function that gives them; it ${typeof exported === 'function' ? 'gives' : 'is'} ${show(options)}.`);
  return { file, options };
}

function find(): string | undefined {
  const [first, second] = configNames.filter((name) => existsSync(name));
  // Which one would win nobody could tell by looking.
  if (second !== undefined) throw invalidConfig(`There are both ${first} and ${second} here: keep one, or name the one to be used.`);
  return first;
}

async function importModule(file: string, path: string): Promise<Record<string, unknown>> {
  try {
    return (await import(pathToFileURL(path).href)) as Record<string, unknown>;
  } catch (cause) {
    throw invalidConfig(`${file} cannot be imported: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}

function invalidConfig(message: string, details: { readonly cause?: unknown } = {}): HandoffError {
  return new HandoffError('INVALID_OPTION', message, { option: 'config', ...details });
}
