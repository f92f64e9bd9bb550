/**
 * One server for all spec files of a run. The first that needs it starts it, and it is stopped when all have ended; a
 * run that needs none starts none.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

/** Vitest calls it once for a project, before it starts any worker: those inherit its environment. */
export default function setup(): (() => Promise<void>) | undefined {
  if (process.env['HANDOFF_SPEC_POSTGRES'] !== undefined) return undefined; // another project did
  const folder = mkdtempSync(join(tmpdir(), 'handoff-postgres-'));
  process.env['HANDOFF_SPEC_POSTGRES'] = folder;
  return async () => {
    const file = join(folder, 'data', 'postmaster.pid');
    if (existsSync(file)) {
      const pid = Number(readFileSync(file, 'utf8').split('\n')[0]);
      process.kill(pid, 'SIGQUIT');
      while (existsSync(`/proc/${pid}`) || existsSync(file)) {
        if (!lives(pid)) break;
        await wait(20);
      }
    }
    rmSync(folder, { recursive: true, force: true });
  };
}

function lives(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
