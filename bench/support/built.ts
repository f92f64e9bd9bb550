/**
 * What is shipped: built JavaScript, which starts faster than the TypeScript it is made from. `npm run bench` builds it
 * first.
 */
export function importBuilt(): Promise<typeof import('../../lib/index.ts')> {
  const entry = new URL('../../dist/index.js', import.meta.url).href;
  return import(entry) as Promise<typeof import('../../lib/index.ts')>;
}
