/**
 * The shipped package: built JavaScript, which starts faster than the TypeScript sources. `npm run bench` builds it
 * first.
 */
export function importBuilt(): Promise<typeof import('../../lib/index.ts')> {
  const entry = new URL('../../dist/index.js', import.meta.url).href;
  return import(entry) as Promise<typeof import('../../lib/index.ts')>;
}
