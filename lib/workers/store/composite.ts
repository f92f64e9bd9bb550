/** Results that consist of other results: the list of a map's elements, and the result of a graph. */

/** The results from `base` on. */
export interface ResultList {
  readonly base: number;
  readonly count: number;
}

/** A value of results: the one of a function, a list of them, or a record of them. -1: a function that was skipped. */
export type ResultShape = number | readonly number[] | Readonly<Record<string, number>>;

export type Composite =
  | { readonly kind: 'list'; readonly list: ResultList }
  /** `settles`: it is `{ ok: true, value }`. */
  | { readonly kind: 'shape'; readonly shape: ResultShape; readonly settles: boolean };

/** The functions that a composite consists of. Those that were skipped are left out. */
export function* partsOfComposite(composite: Composite): Iterable<number> {
  if (composite.kind === 'list') {
    const { base, count } = composite.list;
    for (let i = base; i < base + count; i++) yield i;
    return;
  }
  const { shape } = composite;
  for (const i of typeof shape === 'number' ? [shape] : Object.values(shape)) if (i >= 0) yield i;
}

/** The value of a composite. */
export function composed(composite: Composite, read: (i: number) => unknown): unknown {
  if (composite.kind === 'list') {
    const { base, count } = composite.list;
    return Array.from({ length: count }, (_, k) => read(base + k));
  }
  const { shape, settles } = composite;
  const value = ofShape(shape, (i) => (i < 0 ? undefined : read(i)));
  return settles ? { ok: true, value } : value;
}

function ofShape(shape: ResultShape, read: (i: number) => unknown): unknown {
  if (typeof shape === 'number') return read(shape);
  if (Array.isArray(shape)) return (shape as readonly number[]).map(read);
  const entries = Object.entries(shape as Readonly<Record<string, number>>).filter(([, i]) => i >= 0);
  return Object.fromEntries(entries.map(([name, i]) => [name, read(i)]));
}
