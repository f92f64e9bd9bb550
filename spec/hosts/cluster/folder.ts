/** A folder that functions of several hosts leave lines in, and wait at a door of. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { tasks } from '../../../lib/index.ts';

export const f = tasks<typeof import('../../fixtures/cluster-tasks.ts')>(
  new URL('../../fixtures/cluster-tasks.ts', import.meta.url),
);

const made: string[] = [];
afterAll(() => {
  for (const path of made) rmSync(path, { recursive: true, force: true });
});

export function temporary(): string {
  const path = mkdtempSync(join(tmpdir(), 'handoff-spec-'));
  made.push(path);
  return path;
}

export class Folder {
  readonly path = temporary();

  /** Lines, in the order in which they were written, in words. */
  get lines(): string[][] {
    try {
      return readFileSync(join(this.path, 'log'), 'utf8')
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => line.split(' '));
    } catch {
      return [];
    }
  }

  /** Names of those that have come. */
  get names(): string[] {
    return this.lines.filter(([sign]) => sign === '+').map(([, name]) => name!);
  }

  /** How often a function was called. */
  calls(name: string): number {
    return this.names.filter((each) => each === name).length;
  }

  /** The most that ran together. */
  get most(): number {
    let now = 0;
    let most = 0;
    for (const [sign] of this.lines) {
      if (sign === '+') most = Math.max(most, ++now);
      else if (sign === '-') now--;
    }
    return most;
  }

  /** Resolves when so many have come. */
  arrived(count: number): Promise<void> {
    return until(() => this.names.length >= count);
  }

  open(name?: string): void {
    writeFileSync(join(this.path, name === undefined ? 'open' : `open-${name}`), '');
  }
}

/** Resolves when something is so that no event tells of. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 10));
}
