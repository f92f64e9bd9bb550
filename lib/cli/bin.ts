#!/usr/bin/env node
/** Starts the command after it has checked the version of Node. */
try {
  await import('../core/node-version.ts');
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exit(2);
}
// The command itself, and modules in TypeScript that it runs, are compiled once. Works without where nothing can be written.
process.getBuiltinModule('node:module').enableCompileCache();
await import('./main.ts');
