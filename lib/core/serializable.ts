/** Whether a value can travel to another thread, and if not, which part of it cannot. */

export interface Obstacle {
  /** Where, as `[2].options.go`. */
  readonly path: string;
  /** What is there, in words. */
  readonly what: string;
}

/**
 * The first part of a value that structured clone refuses, or undefined. Sees what a language can see; a host object such as a
 * socket shows itself only when it is sent.
 *
 * @param refuseAlso says in words what else is not allowed
 */
export function findObstacle(value: unknown, refuseAlso: (value: object) => string | undefined = () => undefined): Obstacle | undefined {
  if (isPlain(value)) return undefined;
  const seen = new Set<unknown>();
  const stack: { readonly value: unknown; readonly path: string }[] = [{ value, path: '' }];
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    try {
      const what = refusal(next.value) ?? (typeof next.value === 'object' && next.value !== null ? refuseAlso(next.value) : undefined);
      if (what !== undefined) return { path: next.path, what };
      if (typeof next.value !== 'object' || next.value === null || seen.has(next.value)) continue;
      seen.add(next.value);
      for (const child of children(next.value, next.path)) stack.push(child);
    } catch (error) {
      // A getter, or a proxy's trap: whoever clones it would meet the same.
      return { path: next.path, what: `an object that throws when it is read (${error instanceof Error ? error.message : String(error)})` };
    }
  }
  return undefined;
}

/** Values that need no look inside. */
function isPlain(value: unknown): boolean {
  return value === null || (typeof value !== 'object' && typeof value !== 'function' && typeof value !== 'symbol');
}

function refusal(value: unknown): string | undefined {
  if (typeof value === 'function') return `the function ${value.name || '(anonymous)'}`;
  if (typeof value === 'symbol') return String(value);
  if (typeof value !== 'object' || value === null) return undefined;
  if (value instanceof Promise) return 'a promise';
  if (value instanceof WeakMap || value instanceof WeakSet || value instanceof WeakRef) return `a ${value.constructor.name}`;
  return undefined;
}

function* children(value: object, path: string): Generator<{ value: unknown; path: string }> {
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) if (!isPlain(value[i])) yield { value: value[i], path: `${path}[${i}]` };
  } else if (value instanceof Map) {
    for (const [key, item] of value) {
      if (!isPlain(key)) yield { value: key, path: `${path}.keys()` };
      if (!isPlain(item)) yield { value: item, path: `${path}.get(${String(key)})` };
    }
  } else if (value instanceof Set) {
    for (const item of value) if (!isPlain(item)) yield { value: item, path: `${path}.values()` };
  } else {
    for (const key of Object.keys(value)) {
      const item = (value as Record<string, unknown>)[key];
      if (!isPlain(item)) yield { value: item, path: `${path}.${key}` };
    }
  }
}
