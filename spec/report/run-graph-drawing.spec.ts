import { describe, expect, it } from 'vitest';
import { drawnRun } from '../../lib/report/run-graph-drawing.ts';

/** Functions by id, with what they take. */
function drawn(functions: Readonly<Record<string, readonly string[]>>, skipped: readonly string[] = []) {
  const ids = Object.keys(functions);
  const list = ids.map((id) => ({
    id,
    code: 'f',
    after: functions[id]!.map((dep) => ids.indexOf(dep)),
    isSkipped: skipped.includes(id),
  }));
  const ran = new Map(ids.filter((id) => !skipped.includes(id)).map((id) => [id, 'a']));
  const run = drawnRun('d', list, ran);
  const edges = [...run.dag.functions.values()].map(({ id, args }) => [id, args]);
  return { ...run, edges: Object.fromEntries(edges) };
}

const elements = (count: number, of: string, dep: string) =>
  Object.fromEntries(Array.from({ length: count }, (_, k) => [`${of}[${k}]`, [dep]]));

describe('the drawing of a run', () => {
  it('shows a static DAG as it is, where each function ran, and what was skipped', () => {
    const { edges, allocations, skipped } = drawn({ a: [], b: ['a'], c: ['a', 'b'] }, ['c']);
    expect(edges).toEqual({ a: [], b: ['a'], c: ['a', 'b'] });
    expect(allocations).toEqual({ a: 'a', b: 'a' });
    expect(skipped).toEqual(['c']);
  });

  it('shows the elements of a map before it, element by element through maps of maps', () => {
    const { edges } = drawn({
      list: [],
      m: ['list'],
      n: ['m'],
      end: ['n'],
      ...elements(2, 'm', 'list'),
      'n[0]': ['m[0]'],
      'n[1]': ['m[1]'],
    });
    expect(edges).toMatchObject({ m: ['m[0]', 'm[1]'], n: ['n[0]', 'n[1]'], 'n[1]': ['m[1]'], end: ['n'] });
  });

  it('shows a long map as one box, with what is inside of its elements', () => {
    const { edges, allocations } = drawn({
      list: [],
      m: ['list'],
      end: ['m'],
      ...elements(21, 'm', 'list'),
      'm[3]/f#1': [],
      'm[3]/g#1': ['m[3]/f#1'],
    });
    expect(edges).toEqual({ list: [], 'm (21 elements)': ['list'], end: ['m (21 elements)'] });
    expect(Object.keys(allocations)).toEqual(['list', 'm (21 elements)', 'end']);
  });

  it('shows a graph after the function that answered with it', () => {
    const { edges } = drawn({ f: [], end: ['f'], 'f/a#1': [], 'f/b#1': ['f/a#1'], 'f/a#1/c#1': [] });
    expect(edges).toEqual({ f: [], end: ['f'], 'f/a#1': ['f'], 'f/b#1': ['f/a#1'], 'f/a#1/c#1': ['f/a#1'] });
  });

  it('takes an id that looks like that of an element for what it is', () => {
    expect(drawn({ 'x[7]': [], 'y/z': ['x[7]'] }).edges).toEqual({ 'x[7]': [], 'y/z': ['x[7]'] });
  });
});
