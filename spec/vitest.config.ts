import { defineConfig } from 'vitest/config';

export default defineConfig({
  root: new URL('..', import.meta.url).pathname,
  test: {
    include: ['spec/**/*.spec.ts'],
    // Each file has its own process: worker threads, open handles and process-wide listeners of one never reach another.
    pool: 'forks',
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
});
