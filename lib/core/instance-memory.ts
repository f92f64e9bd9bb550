/** Memory of WebAssembly instances. */

/**
 * Whether a buffer is the shared memory of a WebAssembly instance. The instance keeps writing to it, so a result must
 * be copied out. JavaScript freezes such buffers and no others.
 */
export function isInstanceMemory(buffer: ArrayBufferLike): boolean {
  return buffer instanceof SharedArrayBuffer && Object.isFrozen(buffer);
}
