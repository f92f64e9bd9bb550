/** Values written into a DAG. They are copied when they are given, so that a later change of the original never shows. */
import { copyOf, isPrimitive, isStillCopy } from '../core/copy.ts';
import { notData } from '../core/serializable.ts';

/** The copies themselves: nothing outside a DAG holds them, so they need no further copy. */
const copies = new WeakSet<object>();
/** The last copy of each original. */
const lastCopy = new WeakMap<object, WeakRef<object>>();

const isKept = (value: object): boolean => notData in value;

/**
 * A copy of a value, for a DAG to keep. The same value given to many functions is one copy, as long as it is not changed in between: a large
 * one is then held, and sent to each thread, once.
 */
export function literalOf<Value>(value: Value): Value {
  return isPrimitive(value) || copies.has(value as object) ? value : (ownCopy(value as object) as Value);
}

function ownCopy(value: object): object {
  const last = lastCopy.get(value)?.deref();
  if (last !== undefined && isStillCopy(last, value)) return last;
  const copy = copyOf(value, isKept);
  if (copy === value) return value;
  copies.add(copy);
  lastCopy.set(value, new WeakRef(copy));
  return copy;
}
