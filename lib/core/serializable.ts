/** Finds the part of a value that cannot travel to another thread. */
import { messageOf } from './message-of.ts';
import { eachItem } from './items.ts';

/**
 * Key of a description that classes of this library carry when a copy of an instance would be useless. A registered
 * symbol, so that it also works for other copies of the package.
 */
export const notData: unique symbol = Symbol.for('handoffjs.notData') as never;

export interface Obstacle {
  /** Where it is, such as `[2].options.go`. */
  readonly path: string;
  /** A description of the part. */
  readonly what: string;
}

/**
 * The first part of a value that structured clone refuses; undefined if there is none. Host objects such as sockets are
 * not recognised: only sending them shows the error.
 */
export function findObstacle(value: unknown): Obstacle | undefined {
  if (isPlain(value)) return undefined;
  const seen = new Set<unknown>();
  const stack: { readonly value: unknown; readonly path: string }[] = [{ value, path: '' }];
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    try {
      const what = refusal(next.value);
      if (what !== undefined) return { path: next.path, what };
      if (typeof next.value !== 'object' || next.value === null || seen.has(next.value)) continue;
      seen.add(next.value);
      pushChildren(next.value, next.path, stack);
    } catch (error) {
      // A getter or a proxy's trap threw. Cloning would throw the same error.
      return {
        path: next.path,
        what: `an object that throws when it is read (${messageOf(error)})`,
      };
    }
  }
  return undefined;
}

/** Whether the value holds no other values. */
function isPlain(value: unknown): boolean {
  return value === null || (typeof value !== 'object' && typeof value !== 'function' && typeof value !== 'symbol');
}

function refusal(value: unknown): string | undefined {
  if (typeof value === 'function')
    return notData in value ? String(value[notData]) : `the function ${value.name || '(anonymous)'}`;
  if (typeof value === 'symbol') return String(value);
  if (typeof value !== 'object' || value === null) return undefined;
  if (notData in value) return String(value[notData]);
  if (value instanceof Promise) return 'a promise';
  if (value instanceof AbortSignal || value instanceof AbortController) {
    return `an ${value.constructor.name} (inside a function, context().signal is its own)`;
  }
  if (value instanceof WeakMap || value instanceof WeakSet || value instanceof WeakRef)
    return `a ${value.constructor.name}`;
  return undefined;
}

function pushChildren(value: object, path: string, stack: { value: unknown; path: string }[]): void {
  const push = (child: unknown, childPath: string): void => {
    if (!isPlain(child)) stack.push({ value: child, path: childPath });
  };
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return;
  if (Array.isArray(value)) {
    eachItem(value, (item, i) => push(item, isPlain(item) ? path : `${path}[${i}]`));
  } else if (value instanceof Map) {
    for (const [key, item] of value) {
      push(key, `${path}.keys()`);
      push(item, isPlain(item) ? path : `${path}.get(${isPlain(key) || typeof key === 'symbol' ? String(key) : '…'})`);
    }
  } else if (value instanceof Set) {
    for (const item of value) push(item, `${path}.values()`);
  } else {
    for (const key of Object.keys(value)) {
      const item = (value as Record<string, unknown>)[key];
      push(item, isPlain(item) ? path : `${path}.${key}`);
    }
  }
}
