/** Values written into a DAG. They are copied on entry, so that later changes of the original have no effect. */
import { copyOf, isPrimitive, isStillCopy } from '../../core/copy.ts';
import { isError } from '../../core/is-error.ts';
import { findObstacle, notData } from '../../core/serializable.ts';

/** The copies. Nothing outside a DAG holds them, so they need no further copy. */
const copies = new WeakSet<object>();
/** The last copy of each original. */
const lastCopy = new WeakMap<object, WeakRef<object>>();

// The copy of an error lacks fields that cannot travel: such an error stays as it is, to be refused. In its `cause` and
// its `errors`, what cannot travel becomes a text.
const isKept = (value: object): boolean => notData in value || (isError(value) && findObstacle(value) !== undefined);

/**
 * A copy of a value for a DAG to keep. A value given to many functions has one copy while it stays unchanged, so that a
 * large value is held once and sent once to each thread.
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
