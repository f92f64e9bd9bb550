/**
 * The build: one file for each entry point and each thing that is loaded later, in dist/, and the types of the public
 * names alone. Packages stay imports.
 */
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'rolldown';
import { dts } from 'rolldown-plugin-dts';

const modules = ['index', 'task', 'simulate', 'metrics', 'otel'];
const entries = [
  ...modules,
  'cli/bin',
  'cli/main',
  'workers/node/worker/serve',
  'workers/actor/serve',
  'hosts/transport/beacon/thread',
];

const code = defineConfig({
  input: Object.fromEntries(entries.map((entry) => [entry, fileURLToPath(new URL(`./${entry}.ts`, import.meta.url))])),
  platform: 'node',
  external: /^(?![./]|\/)/,
  // One file knows where the others are, and must therefore stay where it is.
  output: {
    dir: fileURLToPath(new URL('../dist/', import.meta.url)),
    format: 'esm',
    entryFileNames: '[name].js',
    chunkFileNames: 'chunks/[name].js',
    sourcemap: true,
    // Names stay readable in stack traces; comments would be parsed at every start.
    minify: { compress: true, mangle: false, codegen: { removeWhitespace: true } },
    // What refuses an old Node is a file of its own, so that it runs before all others.
    codeSplitting: {
      groups: [
        { name: 'package-files', test: /core\/package-files\.ts$/ },
        { name: 'node-version', test: /core\/node-version\.ts$/ },
      ],
    },
  },
});

/**
 * What tsc has written to dist/types, rolled up: nothing in it names an internal, or a package that users need not
 * have.
 */
const types = defineConfig({
  input: Object.fromEntries(
    modules.map((name) => [name, fileURLToPath(new URL(`../dist/types/${name}.d.ts`, import.meta.url))]),
  ),
  external: /^(?![./]|\/)/,
  plugins: [dts({ dtsInput: true, tsconfig: false, oxc: true })],
  output: { dir: fileURLToPath(new URL('../dist/', import.meta.url)), chunkFileNames: 'types-[name].ts' },
});

export default [code, types];
