/**
 * Unix sockets as places to listen. The file says who may connect: it is made where only this user can reach it, gets
 * mode 0600, and is moved to its path then, so that there is no moment at which others could open it. A file that a
 * dead process has left is replaced.
 */
import { chmodSync, lstatSync, mkdtempSync, renameSync, rmSync, type Stats } from 'node:fs';
import { connect, type Server } from 'node:net';
import { dirname, join } from 'node:path';
import { HandoffError } from '../../../core/errors.ts';

/** Takes back what `listenAt` did. */
export type Unlisten = () => void;

/**
 * Has a server listen at a path.
 *
 * @throws `INVALID_OPTION` when another process listens there, or something else than a socket is there, or it cannot
 *   be made
 */
export async function listenAt(server: Server, path: string): Promise<Unlisten> {
  const there = statOf(path);
  if (there !== undefined && !there.isSocket())
    throw cannot(path, 'there is a file that is no socket. Remove it, or give another path');
  if (there !== undefined && (await isAlive(path)))
    throw cannot(path, 'another process listens there. Give another path');
  let folder: string | undefined;
  try {
    folder = mkdtempSync(`${dirname(path)}/.`);
    const made = join(folder, 's');
    await new Promise<void>((resolve, reject) => {
      server.once('close', () => reject(new HandoffError('STOPPED', 'the transport was closed before it listened')));
      server.once('error', reject);
      server.listen({ path: made }, resolve);
    });
    chmodSync(made, 0o600);
    const { ino } = lstatSync(made);
    renameSync(made, path);
    return () => {
      if (statOf(path)?.ino === ino) rmSync(path, { force: true }); // not that of a process that came after
    };
  } catch (cause) {
    if (cause instanceof HandoffError) throw cause;
    server.close();
    throw cannot(path, (cause as Error).message, cause);
  } finally {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * Makes sure that what listens at a path is of this user, or of root: in a folder that others can write to, anybody may
 * have put it there.
 *
 * @throws `UNAUTHORIZED`
 */
export function checkOwner(path: string): void {
  const there = statOf(path);
  const user = process.geteuid?.();
  // Where nothing is, to connect fails.
  if (there === undefined || user === undefined || there.uid === user || there.uid === 0 || user === 0) return;
  throw new HandoffError(
    'UNAUTHORIZED',
    `unix:${path} belongs to another user (uid ${there.uid}), who could answer with anything. Expected a socket of uid ${user} or of root`,
  );
}

function statOf(path: string): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false });
}

/** Whether somebody accepts there; who may not even ask takes it that somebody does. */
function isAlive(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error: NodeJS.ErrnoException) =>
      resolve(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT'),
    );
  });
}

function cannot(path: string, why: string, cause?: unknown): HandoffError {
  return new HandoffError('INVALID_OPTION', `cannot listen on unix:${path}: ${why}`, {
    option: 'host',
    ...(cause !== undefined && { cause }),
  });
}
