/**
 * Columns by function, which grow with their run. A column may be longer than the run has functions: what follows the last
 * one means nothing.
 */
export type Column = Int32Array | Uint8Array | Float64Array;

/**
 * A column with more entries: the same one while it has room. Its memory doubles when it is full, so that each entry is
 * copied a few times at most.
 *
 * @param from the number of entries so far
 * @param size the number of entries wanted
 * @param fill the value of the new ones
 * @param room the number of entries that will soon be wanted
 */
export function extended<Kind extends Column>(
  column: Kind,
  from: number,
  size: number,
  fill: number,
  room = size,
): Kind {
  const longer = withRoom(column, size, room);
  if (fill !== 0) longer.fill(fill, from, size); // room is 0 as long as nothing is in it
  return longer;
}

/**
 * A column with the entries of another one appended.
 *
 * @param from the number of entries so far
 * @param by is added to each of those that are appended
 * @param through by value: what stands for it instead
 */
export function extendedBy<Kind extends Column>(
  column: Kind,
  from: number,
  more: Kind,
  by: number,
  through?: readonly number[],
): Kind {
  const longer = withRoom(column, from + more.length, 0);
  for (let k = 0; k < more.length; k++) longer[from + k] = by + (through === undefined ? more[k]! : through[more[k]!]!);
  return longer;
}

function withRoom<Kind extends Column>(column: Kind, size: number, room: number): Kind {
  if (size <= column.length) return column;
  const Columns = column.constructor as new (length: number) => Kind;
  const longer = new Columns(Math.max(size, room, 2 * column.length));
  longer.set(column);
  return longer;
}

/** What a run owns and changes in place as it grows; everybody else only reads it. */
export type Growing<Shared> = { -readonly [Key in keyof Shared]: Shared[Key] };
