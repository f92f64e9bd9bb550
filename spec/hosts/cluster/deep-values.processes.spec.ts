/** Deep values between hosts: they arrive, and the connection stays. */
import { describe, expect, it } from 'vitest';
import { tasks } from '../../../lib/index.ts';
import { build, measure, type Recipe } from '../../fixtures/deep.ts';
import { dagOf, errorOf, t } from '../../support/handoff.ts';
import { next, record, useCluster } from '../../support/hosts.ts';

const d = tasks<typeof import('../../fixtures/deep.ts')>(new URL('../../fixtures/deep.ts', import.meta.url));
const cluster = useCluster({}, { nodes: [{ name: 'b', capabilities: {}, threads: 2 }] });

const recipes: Recipe[] = [
  [['field', 2500]],
  [
    ['list', 900],
    ['map', 900],
  ],
  [['set', 6000]],
];

describe.each(recipes.map((recipe) => [JSON.stringify(recipe), recipe] as const))('a value of %s', (_, recipe) => {
  it('arrives as an argument, as a result, in an error, in a log and by an actor, without the loss of the host', async () => {
    const { handoff } = cluster;
    const down = record(handoff, 'node:down');
    const { results } = await handoff.execute(
      dagOf(
        { id: 'argument', code: d.measure, extraArgs: [build(recipe)] },
        { id: 'made', code: d.build, extraArgs: [recipe] },
        { id: 'edge', code: d.measure, args: ['made'] },
      ),
    );
    expect(results['argument']).toEqual(recipe);
    expect(results['edge']).toEqual(recipe);
    expect(measure(results['made'])).toEqual(recipe);
    const error: any = await errorOf(
      handoff.execute(dagOf({ id: 'thrown', code: d.throwDeep, extraArgs: [recipe], maxRetries: 0 })),
    );
    expect(measure(error.cause.value)).toEqual(recipe);
    const logged = next(handoff, 'function:log');
    await handoff.execute(dagOf({ id: 'log', code: d.log, extraArgs: [recipe] }));
    expect(measure((await logged).values[0])).toEqual(recipe);
    const actor = await handoff.spawn(d.Echo, { node: 'b', args: [build(recipe)] });
    expect(await actor.ask.measure()).toEqual(recipe);
    expect(measure(await actor.ask.echo(build(recipe)))).toEqual(recipe);
    await actor.stop();
    expect((await handoff.execute(dagOf({ id: 'after', code: t.one }))).results['after']).toBe(1);
    expect(down).toEqual([]);
  });
});

describe('a run that is larger than a host accepts', () => {
  it('is refused before anything is sent, without the loss of the host', async () => {
    const { handoff } = cluster;
    const down = record(handoff, 'node:down');
    const resources = Object.fromEntries(Array.from({ length: 1001 }, (_, k) => [`r${k}`, 0]));
    for (const run of [
      () => handoff.execute(dagOf({ id: 'x', node: 'b', code: t.one, cost: resources })),
      () => handoff.execute(dagOf({ id: 'x'.repeat(20_000), node: 'b', code: t.one })),
    ])
      expect(await errorOf((async () => run())())).toMatchObject({ code: 'INVALID_FUNCTION' });
    const long = handoff.execute(dagOf({ id: 'x', node: 'b', code: t.one }), { runId: 'r'.repeat(20_000) });
    expect(await errorOf(long)).toMatchObject({ code: 'INVALID_OPTION' });
    expect((await handoff.execute(dagOf({ id: 'after', node: 'b', code: t.one }))).results['after']).toBe(1);
    expect(down).toEqual([]);
  });
});

describe('a result that its host cannot read', () => {
  it('fails its function with NOT_SERIALIZABLE, without the loss of the host', async () => {
    const error = await errorOf(
      cluster.handoff.execute(dagOf({ id: 'bad', code: d.surprise, extraArgs: [[['field', 4000]], 100] })),
    );
    expect(error).toMatchObject({ code: 'FUNCTION_FAILED', functionId: 'bad', cause: { code: 'NOT_SERIALIZABLE' } });
    expect((await cluster.handoff.execute(dagOf({ id: 'after', code: t.one }))).results['after']).toBe(1);
  });
});
