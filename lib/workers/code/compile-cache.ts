/**
 * Node's cache of compiled code, for modules in TypeScript: the first thread strips the types of a module, and all
 * others, also of later processes, take what is left from the cache. Otherwise each thread would load the stripper.
 */
import { enableCompileCache, flushCompileCache } from 'node:module';

/**
 * Imports modules of which some may be in TypeScript. Works without the cache where nothing can be written.
 *
 * @param names the paths or addresses of these modules, as far as they are known
 */
export async function importCached<Exports>(
  names: readonly string[],
  importing: () => Promise<Exports>,
): Promise<Exports> {
  if (!names.some((name) => /\.[cm]?ts$/.test(name))) return importing();
  enableCompileCache();
  const exports = await importing();
  flushCompileCache(); // before another thread imports them
  return exports;
}
