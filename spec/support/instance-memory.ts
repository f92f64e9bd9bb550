interface Memory {
  readonly buffer: ArrayBuffer | SharedArrayBuffer;
}

// Node has it, and its types do not.
const { WebAssembly } = globalThis as unknown as {
  WebAssembly: { Memory: new (options: { initial: number; maximum: number; shared: boolean }) => Memory };
};

/** The memory of a WebAssembly instance: four pages of 64 KiB. */
export function instanceMemory(shared: boolean): ArrayBuffer | SharedArrayBuffer {
  return new WebAssembly.Memory({ initial: 4, maximum: 4, shared }).buffer;
}
