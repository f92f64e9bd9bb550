/** Which results make up an output, in its shape: a result, a list of results, or a record of them. */

/** A result, or the first of several that was not skipped. */
export type OutputSlot<Leaf> = Leaf | { readonly anyOf: readonly Leaf[] };

/** `Leaf` names a result: by its id, or by the index of its function. */
export type OutputShape<Leaf extends string | number> =
  OutputSlot<Leaf> | readonly OutputSlot<Leaf>[] | Readonly<Record<string, OutputSlot<Leaf>>>;

/** The candidates of a slot, in the order in which they are preferred. */
export function candidatesOf<Leaf extends string | number>(slot: OutputSlot<Leaf>): readonly Leaf[] {
  return typeof slot === 'object' ? slot.anyOf : [slot];
}

/** The slots of a shape, in order. */
export function slotsOf<Leaf extends string | number>(shape: OutputShape<Leaf>): readonly OutputSlot<Leaf>[] {
  return isSlot(shape) ? [shape] : Object.values(shape);
}

/** All results that a shape may consist of, without repeats. */
export function leavesOf<Leaf extends string | number>(shape: OutputShape<Leaf>): readonly Leaf[] {
  return [...new Set(slotsOf(shape).flatMap(candidatesOf))];
}

/**
 * Replaces each slot of a shape.
 *
 * @returns the replacements, in the same shape
 */
export function mapSlots<Leaf extends string | number, Result>(
  shape: OutputShape<Leaf>,
  replace: (slot: OutputSlot<Leaf>) => Result,
): Result | readonly Result[] | Readonly<Record<string, Result>> {
  if (isSlot(shape)) return replace(shape);
  if (isList(shape)) return shape.map(replace);
  return Object.fromEntries(Object.entries(shape).map(([name, slot]) => [name, replace(slot)]));
}

/** Replaces each result that a shape names. */
export function mapLeaves<From extends string | number, To extends string | number>(
  shape: OutputShape<From>,
  replace: (leaf: From) => To,
): OutputShape<To> {
  return mapSlots<From, OutputSlot<To>>(shape, (slot) =>
    typeof slot === 'object' ? { anyOf: slot.anyOf.map(replace) } : replace(slot),
  );
}

/** Whether a shape is a single output. A record may have a field called `anyOf`, but no list in it. */
export function isSlot<Leaf extends string | number>(shape: OutputShape<Leaf>): shape is OutputSlot<Leaf> {
  return typeof shape !== 'object' || (!isList(shape) && Array.isArray(shape['anyOf' as never]));
}

// Array.isArray alone does not narrow a readonly array.
function isList<Leaf extends string | number>(shape: OutputShape<Leaf>): shape is readonly OutputSlot<Leaf>[] {
  return Array.isArray(shape);
}
