/**
 * Owns a folder for as long as this process lives: a Unix socket in it that somebody listens to. The kernel closes the
 * socket when the process dies, however it dies. Unlike a process id, this also holds between containers that share a
 * folder but number processes on their own.
 */
import { lstat, rename } from 'node:fs/promises';
import { once } from 'node:events';
import { join } from 'node:path';

export const lockName = 'lock';

export interface FolderLock {
  release(): void;
}

/** @throws what the system has against a socket there, such as that its path is too long */
export async function lockFolder(folder: string): Promise<FolderLock> {
  // Loaded when first needed: only a Handoff with a memory budget locks a folder.
  const server = process.getBuiltinModule('node:net').createServer((socket) => socket.destroy());
  server.unref();
  const draft = join(folder, `${lockName}.new`);
  // `exclusive`: a process of node:cluster must listen itself, not its primary.
  server.listen({ path: draft, exclusive: true });
  await once(server, 'listening');
  // Under its name only now that somebody listens: others take one that nobody listens to for left behind.
  await rename(draft, join(folder, lockName)).catch((error: unknown) => {
    server.close();
    throw error;
  });
  server.on('error', () => {}); // a connection that could not be accepted, which nobody needs
  return { release: () => void server.close() };
}

/**
 * Whether the owner of a folder is known to be dead. False where that cannot be known.
 *
 * @param folder of this machine; elsewhere nobody would listen
 * @throws what the file system has against looking at it
 */
export async function isAbandoned(folder: string): Promise<boolean> {
  const lock = join(folder, lockName);
  if (!(await lstat(lock)).isSocket()) return false; // to a file, too, connecting is refused
  const socket = process.getBuiltinModule('node:net').createConnection(lock);
  socket.unref();
  try {
    await once(socket, 'connect');
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ECONNREFUSED';
  } finally {
    socket.destroy();
  }
}
