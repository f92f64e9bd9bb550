/**
 * A server for all spec files of a run. The first that needs it starts it, and it is stopped when all have ended; a run
 * that needs none starts none.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

export interface SharedServer {
  /** The variable that names its folder to the processes of spec files. */
  readonly variable: string;
  /** The file in the folder that holds the id of its process, in the first line. */
  readonly pidFile: string;
  readonly signal: NodeJS.Signals;
}

/** For Vitest's `globalSetup`, which calls it once for a project, before it starts any worker. */
export function setUp({ variable, pidFile, signal }: SharedServer): (() => Promise<void>) | undefined {
  if (process.env[variable] !== undefined) return undefined; // another project did
  const folder = mkdtempSync(join(tmpdir(), 'handoff-server-'));
  process.env[variable] = folder;
  return async () => {
    const file = join(folder, pidFile);
    if (existsSync(file)) {
      const pid = Number(readFileSync(file, 'utf8').split('\n')[0]);
      if (lives(pid)) process.kill(pid, signal);
      while (lives(pid)) await wait(20);
    }
    rmSync(folder, { recursive: true, force: true });
  };
}

/**
 * The URL of the server.
 *
 * @param start starts it in a folder, and gives its URL
 */
export async function urlOf({ variable }: SharedServer, start: (folder: string) => Promise<string>): Promise<string> {
  const folder = process.env[variable]!;
  const file = join(folder, 'url');
  try {
    mkdirSync(join(folder, 'lock'));
  } catch {
    return urlIn(file); // another spec file starts it
  }
  let text: string;
  try {
    text = await start(folder);
  } catch (error) {
    text = String(error);
  }
  writeFileSync(`${file}.new`, text);
  renameSync(`${file}.new`, file);
  return urlIn(file);
}

async function urlIn(file: string): Promise<string> {
  for (;;) {
    try {
      const text = readFileSync(file, 'utf8');
      if (URL.canParse(text)) return text;
      throw new Error(text);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      await wait(20);
    }
  }
}

function lives(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
