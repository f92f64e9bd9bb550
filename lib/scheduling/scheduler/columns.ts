/** Columns by function, which grow with their run. */
export type Column = Int32Array | Uint8Array | Float64Array;

/** A column with more entries. Its memory doubles when it is full, so that each entry is copied a few times at most. */
export function extended<Kind extends Column>(column: Kind, size: number, fill: number): Kind {
  const { length, buffer, byteOffset, BYTES_PER_ELEMENT } = column;
  const Columns = column.constructor as new (from: number | ArrayBufferLike, offset?: number, length?: number) => Kind;
  const hasRoom = byteOffset + size * BYTES_PER_ELEMENT <= buffer.byteLength;
  const memory = hasRoom ? buffer : new Columns(Math.max(size, 2 * length)).buffer;
  const longer = new Columns(memory, hasRoom ? byteOffset : 0, size);
  if (!hasRoom) longer.set(column);
  longer.fill(fill, length);
  return longer;
}

/**
 * A column with the entries of another one appended.
 *
 * @param by is added to each of those
 * @param through by value: what stands for it instead
 */
export function extendedBy<Kind extends Column>(
  column: Kind,
  more: Kind,
  by: number,
  through?: readonly number[],
): Kind {
  const from = column.length;
  const longer = extended(column, from + more.length, 0);
  for (let k = 0; k < more.length; k++) longer[from + k] = by + (through === undefined ? more[k]! : through[more[k]!]!);
  return longer;
}
