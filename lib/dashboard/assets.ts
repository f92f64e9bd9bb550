/** The files of the page. Only these files are served. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { type Node, parse } from 'acorn';
import { fileUrl, isBuilt } from '../core/package-files.ts';

/**
 * The files of packages that the page uses, by import name. They are ES modules that import only each other, and are
 * served from here. The build copies them, so that users need not install the packages.
 */
export const vendor = {
  preact: 'preact/dist/preact.mjs',
  'preact/hooks': 'preact/hooks/dist/hooks.mjs',
  htm: 'htm/dist/htm.mjs',
  '@dagrejs/dagre': '@dagrejs/dagre/dist/dagre.esm.js',
} as const;

export interface Module {
  /** Relative to the page's address, such as `page/main.js`. */
  readonly path: string;
  readonly text: string;
}

/** The parts of the page. */
export interface Page {
  /** The HTML, with a placeholder for the content of its head. */
  readonly template: string;
  readonly style: string;
  readonly modules: readonly Module[];
  /** Keyed by import name. */
  readonly vendor: ReadonlyMap<string, Module>;
}

export const headMark = '<!-- handoff:head -->';
export const entry = 'page/main.js';

const here = fileUrl('dashboard/');
let known: Page | undefined;

/** @throws the file system's error if a package or a file is missing */
export function readPage(): Page {
  // Unbuilt files may change between two starts.
  if (known !== undefined && isBuilt) return known;
  return (known = {
    template: readFileSync(new URL('page/index.html', here), 'utf8'),
    style: readFileSync(new URL('page/style.css', here), 'utf8'),
    modules: ['protocol.js', ...scripts('page/'), ...scripts('page/view/')].map((path) => ({
      path,
      text: readModule(path),
    })),
    vendor: new Map(
      Object.entries(vendor).map(([name, file]) => [name, { path: vendorPath(name), text: readVendor(name, file) }]),
    ),
  });
}

/** Calls `change` for each import of a module and replaces the specifier by its result. */
export function withImports(text: string, change: (specifier: string) => string): string {
  const { body } = parse(text, { ecmaVersion: 'latest', sourceType: 'module' });
  let changed = text;
  for (const statement of body.toReversed()) {
    const source =
      'source' in statement
        ? (statement.source as (Node & { readonly value?: unknown }) | null | undefined)
        : undefined;
    if (source != null)
      changed =
        changed.slice(0, source.start) + JSON.stringify(change(String(source.value))) + changed.slice(source.end);
  }
  return changed;
}

/** The Content-Security-Policy hash of an inline script or style. */
export function hashOf(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
}

function scripts(folder: string): string[] {
  return readdirSync(new URL(folder, here))
    .filter((name) => name.endsWith(isBuilt ? '.js' : '.ts') && !name.endsWith('.d.ts'))
    .sort()
    .map((name) => folder + name.replace(/\.ts$/, '.js'));
}

function readModule(path: string): string {
  const file = new URL(isBuilt ? path : path.replace(/\.js$/, '.ts'), here);
  const text = readFileSync(file, 'utf8');
  return isBuilt
    ? text
    : withImports(strip(text), (specifier) =>
        specifier.startsWith('.') ? specifier.replace(/\.ts$/, '.js') : specifier,
      );
}

/** Relative to the page's address, and in the build to its folder. */
export function vendorPath(name: string): string {
  return `vendor/${name.replaceAll(/[^\w/-]/g, '')}.js`;
}

function readVendor(name: string, file: string): string {
  const url = isBuilt ? new URL(vendorPath(name), here) : new URL(`../../node_modules/${file}`, here);
  return readFileSync(url, 'utf8').replace(/^\/\/# sourceMappingURL=.*$/m, '');
}

/** Strips types like Node does, without the experimental warning on each call. */
function strip(text: string): string {
  const { emitWarning } = process;
  process.emitWarning = () => {};
  try {
    return stripTypeScriptTypes(text);
  } finally {
    process.emitWarning = emitWarning;
  }
}
