/** The errors for modules that cannot be used. */
import { readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { textOf } from '../../core/error-wire.ts';
import { HandoffError } from '../../core/errors.ts';
import { identify } from './identity.ts';
import { missing, pathOf } from './locate.ts';

interface Place {
  readonly file: string;
  readonly line: number;
}

/** @param limit in ms */
export function importTooSlow(module: string, limit: number): HandoffError {
  return new HandoffError(
    'MODULE_FAILED',
    `The import of module ${module} did not finish within ${limit} ms. Move work out of the top level of the module, or raise the option importTimeout of Handoff.start.`,
    { module, timeout: limit },
  );
}

/** @param path the file that has changed */
export function changedError(module: string, path: string): HandoffError {
  return new HandoffError(
    'VERSION_MISMATCH',
    `Module ${module} has changed since this host first imported it (${shown(path)}), so threads would run different versions. Call handoff.reload(), or restart the host.`,
    { module, file: path },
  );
}

/** @param cause why the importing thread ended */
export function importCrashed(module: string, cause: unknown): HandoffError {
  return new HandoffError(
    'MODULE_FAILED',
    `Module ${module} cannot be imported: the thread that imported it ended. ${textOf(cause)}`,
    { module, cause },
  );
}

/**
 * The error for a failed import: `FUNCTION_NOT_FOUND` when the module is missing, else `MODULE_FAILED` with file and
 * line.
 *
 * @param module the name users gave
 * @param cause what the import threw
 */
export async function moduleError(module: string, url: string, cause: unknown): Promise<HandoffError> {
  const absent = missing(module, url);
  if (absent !== undefined) return absent;
  const place =
    placeOfMissing(cause) ??
    placeInStack(cause) ??
    (cause instanceof SyntaxError ? await placeOfSyntaxError(url) : undefined);
  const where = place === undefined ? '' : ` (${shown(place.file)}:${place.line})`;
  return new HandoffError(
    'MODULE_FAILED',
    `Module ${module} cannot be imported: ${textOf(cause)}${where}${hintFor(cause)}`,
    { module, ...place, cause },
  );
}

function hintFor(cause: unknown): string {
  const { code, message } = (typeof cause === 'object' && cause !== null ? cause : {}) as {
    code?: unknown;
    message?: unknown;
  };
  if (code === 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX') {
    return (
      '. Node runs .ts files by removing their types, which does not work for enums, namespaces and parameter ' +
      'properties: use a constant object instead of an enum, or build the module to JavaScript'
    );
  }
  if (code === 'ERR_UNSUPPORTED_NODE_MODULES_TYPE_STRIPPING')
    return '. Node does not run .ts files in packages: build them to JavaScript';
  if (cause instanceof SyntaxError && /does not provide an export named/.test(String(message)))
    return '. If the name is only a type, import it with "import type"';
  return '';
}

/** The shorter of relative and absolute path. */
function shown(file: string): string {
  const path = relative(process.cwd(), file);
  return path.startsWith('..') ? file : path;
}

/** Where the missing module is imported. */
function placeOfMissing(cause: unknown): Place | undefined {
  const { code, message } = (typeof cause === 'object' && cause !== null ? cause : {}) as {
    code?: unknown;
    message?: unknown;
  };
  if (
    code !== 'ERR_MODULE_NOT_FOUND' &&
    code !== 'ERR_PACKAGE_PATH_NOT_EXPORTED' &&
    code !== 'ERR_UNSUPPORTED_DIR_IMPORT'
  )
    return undefined;
  const [, what, file] = /'([^']+)'.* imported from (.+)$/s.exec(String(message)) ?? [];
  if (what === undefined || file === undefined) return undefined;
  const name = what.split(/[/\\]/).at(-1)!;
  try {
    const line = readFileSync(file, 'utf8')
      .split('\n')
      .findIndex((text) => text.includes(name) && /['"`]/.test(text));
    return { file, line: line + 1 || 1 };
  } catch {
    return undefined;
  }
}

/** The first place in a stack that is not in Node. */
function placeInStack(cause: unknown): Place | undefined {
  const { stack } = (typeof cause === 'object' && cause !== null ? cause : {}) as { stack?: unknown };
  for (const text of typeof stack === 'string' ? stack.split('\n') : []) {
    // A place stands in a stack frame, or on a line of its own.
    const [, at, line] =
      /^\s*at (?:.* \(|async )?((?:file:\/\/|\/|[A-Za-z]:\\)[^()]*?):(\d+):\d+\)?$/.exec(text) ??
      /^((?:file:\/\/|\/|[A-Za-z]:\\).*?):(\d+)$/.exec(text) ??
      [];
    if (at === undefined || isOwn(at)) continue;
    return { file: at.startsWith('file:') ? (pathOf(at) ?? at) : at, line: Number(line) };
  }
  return undefined;
}

const ours = new URL('../../', import.meta.url);

/** Whether a place is in this library, which only calls `import()`. */
function isOwn(at: string): boolean {
  return at.startsWith(ours.href) || at.startsWith(ours.pathname);
}

/** Node does not report where a syntax error is, so parse again. */
async function placeOfSyntaxError(url: string): Promise<Place | undefined> {
  const { parse } = await import('acorn');
  for (const { path } of filesOf(url)) {
    if (!/\.(js|mjs)$/.test(path)) continue;
    try {
      parse(readFileSync(path, 'utf8'), { ecmaVersion: 'latest', sourceType: 'module', allowHashBang: true });
    } catch (error) {
      const line = (error as { loc?: { line?: number } }).loc?.line;
      if (line !== undefined) return { file: path, line };
    }
  }
  return undefined;
}

function filesOf(url: string): readonly { readonly path: string }[] {
  try {
    return identify(url).files;
  } catch {
    return [];
  }
}
