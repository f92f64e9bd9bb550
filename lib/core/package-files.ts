/**
 * Locations of the library's own files: TypeScript below lib/ when it runs from source, JavaScript below dist/ when it
 * is built.
 */
import { createRequire } from 'node:module';

/** Whether this is the built library. */
export const isBuilt = import.meta.url.endsWith('.js');

/** @param path below lib/ or dist/, such as `dashboard/page/` */
export function fileUrl(path: string): URL {
  // In the build, this module is in a chunk of its own in a folder directly below dist/, as lib/core/ is directly below
  // lib/.
  return new URL(`../${path}`, import.meta.url);
}

/** @param path of a module below lib/, without extension, such as `workers/node/worker/serve` */
export function moduleUrl(path: string): URL {
  return fileUrl(`${path}.${isBuilt ? 'js' : 'ts'}`);
}

/** The version in package.json. */
export function packageVersion(): string {
  return (createRequire(import.meta.url)('../../package.json') as { readonly version: string }).version;
}
