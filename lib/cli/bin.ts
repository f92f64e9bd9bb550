#!/usr/bin/env node
/** Starts the command after it has checked the version of Node. */
try {
  await import('../core/node-version.ts');
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exit(2);
}
await import('./main.ts');
