/** The build: the code in dist/, and the types of the public names alone. */
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'rolldown';
import { dts } from 'rolldown-plugin-dts';
import { bundleOf, modules } from './bundle.mjs';

const dist = fileURLToPath(new URL('../dist/', import.meta.url));

const code = await bundleOf({
  dir: dist,
  // Names stay readable in stack traces; comments would be parsed at every start.
  minify: { compress: true, mangle: false, codegen: { removeWhitespace: false } },
});

/**
 * What tsc has written to dist/types, rolled up: nothing in it names an internal, or a package that users need not
 * have.
 */
const types = defineConfig({
  input: Object.fromEntries(modules.map((name) => [name, `${dist}types/${name}.d.ts`])),
  external: /^(?![./]|\/)/,
  plugins: [dts({ dtsInput: true, tsconfig: false, oxc: true })],
  output: { dir: dist, chunkFileNames: 'types-[name].ts' },
});

export default [code, types];
