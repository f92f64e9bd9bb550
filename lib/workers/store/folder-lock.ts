/**
 * Marks a folder as owned by this process: a Unix socket in the folder that this process listens on. The kernel closes
 * the socket when the process dies, in whatever way. Unlike a process id, this also works between containers that share
 * a folder but not their process numbers.
 */
import { lstat, rename } from 'node:fs/promises';
import { once } from 'node:events';
import { join } from 'node:path';

export const lockName = 'lock';

export interface FolderLock {
  release(): void;
}

/** @throws the system's error when it cannot listen there, such as for a path that is too long */
export async function lockFolder(folder: string): Promise<FolderLock> {
  // Loaded on demand: only a Handoff with a memory budget locks a folder.
  const server = process.getBuiltinModule('node:net').createServer((socket) => socket.destroy());
  server.unref();
  const draft = join(folder, `${lockName}.new`);
  // `exclusive`: a process of node:cluster must listen itself, not its primary.
  server.listen({ path: draft, exclusive: true });
  await once(server, 'listening');
  // Renamed only after listening has begun: others take a lock without a listener for abandoned.
  await rename(draft, join(folder, lockName)).catch((error: unknown) => {
    server.close();
    throw error;
  });
  server.on('error', () => {}); // a connection that could not be accepted does not matter
  return { release: () => void server.close() };
}

/**
 * Whether the owner of a folder is known to be dead. False when in doubt.
 *
 * @param folder a folder of this machine; sockets of other machines look abandoned
 * @throws what the file system throws
 */
export async function isAbandoned(folder: string): Promise<boolean> {
  const lock = join(folder, lockName);
  if (!(await lstat(lock)).isSocket()) return false; // connecting to a plain file is refused too
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
