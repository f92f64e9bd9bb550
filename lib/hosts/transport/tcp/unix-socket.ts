/**
 * Listening on Unix sockets. The file's mode decides who may connect. It is created where only this user can reach it,
 * gets mode 0600, and is then moved to its path, so that others can never open it. The file of a dead process is
 * replaced.
 */
import { chmodSync, lstatSync, mkdtempSync, renameSync, rmSync, type Stats } from 'node:fs';
import { connect, type Server } from 'node:net';
import { dirname, join } from 'node:path';
import { HandoffError } from '../../../core/errors.ts';

/** Removes what `listenAt` created. */
export type Unlisten = () => void;

/**
 * Makes a server listen at a path.
 *
 * @throws `INVALID_OPTION` when another process listens there, when the path is another kind of file, or when the
 *   socket cannot be created
 */
export async function listenAt(server: Server, path: string): Promise<Unlisten> {
  const there = statOf(path);
  if (there !== undefined && !there.isSocket())
    throw cannot(path, 'the path is a file but no socket. Remove it, or choose another path');
  if (there !== undefined && (await isAlive(path)))
    throw cannot(path, 'another process listens there. Choose another path');
  let folder: string | undefined;
  try {
    folder = mkdtempSync(`${dirname(path)}/.`);
    const made = join(folder, 's');
    await new Promise<void>((resolve, reject) => {
      server.once('close', () =>
        reject(new HandoffError('STOPPED', 'the transport was closed before it could listen')),
      );
      server.once('error', reject);
      server.listen({ path: made }, resolve);
    });
    chmodSync(made, 0o600);
    const { ino } = lstatSync(made);
    renameSync(made, path);
    return () => {
      if (statOf(path)?.ino === ino) rmSync(path, { force: true }); // keep the socket of a later process
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
 * Checks that the socket at a path belongs to this user or root: in a folder that others can write to, anyone may have
 * created it.
 *
 * @throws `UNAUTHORIZED` when it belongs to another user
 */
export function checkOwner(path: string): void {
  const there = statOf(path);
  const user = process.geteuid?.();
  // Without a file, connecting fails anyway.
  if (there === undefined || user === undefined || there.uid === user || there.uid === 0 || user === 0) return;
  throw new HandoffError(
    'UNAUTHORIZED',
    `unix:${path} belongs to another user (uid ${there.uid}), who may not be trusted. Expected a socket of uid ${user} or of root`,
  );
}

function statOf(path: string): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false });
}

/** Whether a process listens there. True when in doubt. */
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
