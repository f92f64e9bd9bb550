import { mkdirSync } from 'node:fs';
import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config';
import { LongestFirst } from './support/longest-first.ts';

const root = new URL('..', import.meta.url).pathname;

// Threads and processes that specs start load lib/ unbuilt. Node keeps what it compiled from them here, which halves
// their CPU time.
process.env['NODE_COMPILE_CACHE'] ??= `${root}node_modules/.cache/node-compile`;
mkdirSync(process.env['NODE_COMPILE_CACHE'], { recursive: true });

const setupFiles = ['spec/support/seed.ts', 'spec/support/equality.ts'];

/** What starts threads or processes runs a bundle in them. */
const bundled = { globalSetup: ['spec/support/bundle/setup.ts'] };

/** One PostgreSQL server and one NATS server, for those that ask for them. */
const withServers = {
  globalSetup: [...bundled.globalSetup, 'spec/support/postgres/setup.ts', 'spec/support/nats-setup.ts'],
};

/**
 * CI runs what failed once more, and reports it as retried: its machines are shared, and one late answer must not hide
 * what the rest say. Here, each failure counts.
 */
const retry = process.env['CI'] === undefined ? 0 : 1;

/** Specs are sorted by what they need; the end of a file's name says so. */
const kinds = ['threads', 'processes', 'browser'] as const;

function project(
  name: string,
  include: string,
  more: TestProjectInlineConfiguration['test'] = {},
): TestProjectInlineConfiguration {
  return {
    root,
    extends: true,
    test: { name, include: [`spec/**/${include}`], ...more },
  } as TestProjectInlineConfiguration;
}

export default defineConfig({
  root,
  test: {
    // Each file has its own process: worker threads, open handles and process-wide listeners of one never reach
    // another.
    pool: 'forks',
    // It only ends what hangs: a slow machine must not make a spec fail.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    setupFiles,
    sequence: { sequencer: LongestFirst },
    projects: [
      project('unit', '*.spec.ts', {
        exclude: [...kinds.map((kind) => `spec/**/*.${kind}.spec.ts`), 'spec/chaos/**'],
        setupFiles: [...setupFiles, 'spec/support/no-threads.ts'],
        isolate: false,
        maxWorkers: 2,
        sequence: { groupOrder: 1 },
      }),
      project('threads', '*.threads.spec.ts', { retry, ...withServers, maxWorkers: 4, sequence: { groupOrder: 2 } }),
      project('processes', '*.processes.spec.ts', {
        retry,
        ...withServers,
        maxWorkers: 4,
        sequence: { groupOrder: 2 },
      }),
      project('browser', '*.browser.spec.ts', { retry, ...bundled, maxWorkers: 4, sequence: { groupOrder: 2 } }),
      project('chaos', 'chaos/**/*.spec.ts', { ...withServers, maxWorkers: 1, sequence: { groupOrder: 5 } }),
    ],
  },
});
