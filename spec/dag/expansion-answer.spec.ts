import { describe, expect, it } from 'vitest';
import { checkOutputs, isPlainGraph } from '../../lib/dag/expansion-answer.ts';
import type { FunctionSpec } from '../../lib/index.ts';
import { thrownBy } from '../support/handoff.ts';

const code = { module: 'file:///tasks.js', export: 'f' };
const isPlain = (functions: readonly FunctionSpec[]): boolean =>
  isPlainGraph({ dag: { id: 'd', functions }, outputs: 'a' });

describe('a graph that travels as it is', () => {
  it.each<[string, readonly FunctionSpec[]]>([
    ['has only ids and code', [{ id: 'a', code }]],
    ['takes results and primitive values', [{ id: 'a', code, args: ['b'], extraArgs: [1, 'x', true, null] }]],
  ])('%s', (_, functions) => expect(isPlain(functions)).toBe(true));

  it.each<[string, readonly FunctionSpec[]]>([
    ['an object as a value', [{ id: 'a', code, extraArgs: [{}] }]],
    ['a further field', [{ id: 'a', code, timeout: 1 }]],
    ['code as source', [{ id: 'a', code: { source: '() => 1', name: 'one' } }]],
    ['a choice', [{ id: 'a', code, args: [{ anyOf: ['b', 'c'] }] }]],
    ['a long text', [{ id: 'a', code, extraArgs: ['x'.repeat(5000)] }]],
    ['many short texts', [{ id: 'a', code, extraArgs: new Array<string>(1000).fill('x'.repeat(900)) }]],
    ['many functions', Array.from({ length: 1000 }, (_, i) => ({ id: `f${i}`, code }))],
  ])('has not %s', (_, functions) => expect(isPlain(functions)).toBe(false));
});

it.each([[null], [5], [{ r: null }], [{ r: { anyOf: 'a' } }]])('outputs must be ids: %j is refused', (outputs) =>
  expect(thrownBy(() => checkOutputs({ dag: { id: 'd', functions: [] }, outputs: outputs as never }))).toMatchObject({
    code: 'INVALID_FUNCTION',
  }),
);
