import { expect, it } from 'vitest';
import { Dag } from '../../lib/index.ts';
import { t, useHandoff } from '../support/handoff.ts';

const handoff = useHandoff();

it('runs a million functions, within memory and stack', async () => {
  const dag = new Dag('million');
  for (let i = 0; i < 1_000_000; i++) dag.add({ id: `f${i}`, code: t.one });
  expect(dag.validate()).toEqual({ ok: true });
  const { stats, results } = await handoff().execute(dag, { collect: ['f0', 'f999999'] });
  expect(stats.functions).toBe(1_000_000);
  expect(results).toEqual({ f0: 1, f999999: 1 });
  await handoff().clear('million');
});

it('runs a chain of 200,000, and a function with 20,000 dependencies', async () => {
  const chain = new Dag('deep').add({ id: 'f0', code: t.one });
  for (let i = 1; i < 200_000; i++) chain.add({ id: `f${i}`, code: t.increment, args: [`f${i - 1}`] });
  expect((await handoff().execute(chain, { collect: 'sinks' })).results).toEqual({ f199999: 200_000 });
  const wide = new Dag('wide');
  for (let i = 0; i < 20_000; i++) wide.add({ id: `f${i}`, code: t.one });
  wide.add({
    id: 'sum',
    code: t.sumList,
    args: Array.from({ length: 20_000 }, (_, i) => `f${i}`),
    argumentInclusion: 'list',
  });
  expect((await handoff().execute(wide, { collect: 'sinks' })).results).toEqual({ sum: 20_000 });
});
