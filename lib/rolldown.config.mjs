/** The build: one file for each entry point and each thing that is loaded later, in dist/. Packages stay imports. */
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'rolldown';

const entries = ['index', 'task', 'simulate', 'metrics', 'otel', 'cli/bin', 'cli/main', 'workers/node/worker/serve', 'workers/actor/host'];

export default defineConfig({
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
    codeSplitting: { groups: [{ name: 'package-files', test: /core\/package-files\.ts$/ }] },
  },
});
