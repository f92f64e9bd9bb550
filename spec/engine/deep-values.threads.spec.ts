/**
 * Values of any depth at every boundary between threads: the outcome is the value, or `NOT_SERIALIZABLE`; never
 * silence.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Dag, type HandoffEvent, tasks } from '../../lib/index.ts';
import { build, measure, type Recipe, shapes } from '../fixtures/deep.ts';
import { dagOf, errorOf, t, useHandoff } from '../support/handoff.ts';

const handoff = useHandoff();
const d = tasks<typeof import('../fixtures/deep.ts')>(new URL('../fixtures/deep.ts', import.meta.url));

// Around what each thread's stack takes, and far beyond.
const times = fc.oneof(fc.integer({ min: 1, max: 600 }), fc.integer({ min: 600, max: 5000 }));
const recipes: fc.Arbitrary<Recipe> = fc
  .array(fc.tuple(fc.constantFrom(...shapes), times), { minLength: 1, maxLength: 2 })
  .map(joined);

/** As `measure` gives it. */
function joined(recipe: Recipe): Recipe {
  return recipe.reduce<[Recipe[number][0], number][]>((all, [shape, count]) => {
    if (all.at(-1)?.[0] === shape) all.at(-1)![1] += count;
    else all.push([shape, count]);
    return all;
  }, []);
}

const deep: Recipe = [['field', 2500]];

/** What one function gave. */
async function resultOf(spec: Parameters<typeof dagOf>[0], run: 'execute' | 'executeLocal' = 'execute'): Promise<any> {
  return (await handoff()[run](dagOf(spec), { maxRetries: 0 })).results[spec.id];
}

function holds(property: (recipe: Recipe) => Promise<unknown>): () => Promise<void> {
  return () =>
    fc.assert(
      fc.asyncProperty(recipes, async (recipe) => {
        expect(await property(recipe)).toEqual(recipe);
      }),
      { numRuns: 5 },
    );
}

describe('a value of any shape and depth arrives', () => {
  it(
    'as an argument',
    holds((recipe) => resultOf({ id: 'a', code: d.measure, extraArgs: [build(recipe)] })),
  );

  it(
    'as an argument inside a list of arguments',
    holds(async (recipe) => {
      const { results } = await handoff().execute(
        new Dag()
          .add({ id: 'a', code: d.build, extraArgs: [recipe] })
          .add({ id: 'b', code: t.collect, args: ['a'], extraArgs: [[build(recipe)]] }),
      );
      expect(measure(results['b'][1][0])).toEqual(recipe);
      return measure(results['b'][0]);
    }),
  );

  it(
    'as a result',
    holds(async (recipe) => measure(await resultOf({ id: 'a', code: d.build, extraArgs: [recipe] }))),
  );

  it(
    'as a result of executeLocal',
    holds(async (recipe) => measure(await resultOf({ id: 'a', code: d.build, extraArgs: [recipe] }, 'executeLocal'))),
  );

  it(
    'on another node, and in a function of the same batch',
    holds(async (recipe) => {
      const dag = dagOf(
        { id: 'a', code: d.build, extraArgs: [recipe], node: 'a' },
        { id: 'b', code: d.measure, args: ['a'], node: 'b' },
        { id: 'c', code: d.measure, args: ['a'], node: 'a' },
      );
      const { results } = await handoff().execute(dag, { collect: ['b', 'c'] });
      expect(results['c']).toEqual(recipe);
      return results['b'];
    }),
  );

  it(
    'as a field of an error, thrown or returned',
    holds(async (recipe) => {
      const error: any = (await errorOf(resultOf({ id: 'a', code: d.throwDeep, extraArgs: [recipe] }))).cause;
      expect(error).toMatchObject({ name: 'RangeError', message: 'deep' });
      const returned = await resultOf({ id: 'a', code: d.returnError, extraArgs: [recipe] });
      expect(measure(returned.error.value)).toEqual(recipe);
      return measure(error.value);
    }),
  );

  it(
    'as a thrown value',
    holds(async (recipe) =>
      measure((await errorOf(resultOf({ id: 'a', code: d.throwBare, extraArgs: [recipe] }))).cause),
    ),
  );

  it(
    'in a log',
    holds(async (recipe) => {
      const logged = Promise.withResolvers<readonly unknown[]>();
      const listener = ({ values }: Extract<HandoffEvent, { type: 'function:log' }>): void => logged.resolve(values);
      handoff().on('function:log', listener);
      await resultOf({ id: 'a', code: d.log, extraArgs: [recipe] });
      const [value] = await logged.promise;
      handoff().off('function:log', listener);
      return measure(value);
    }),
  );

  it(
    'by getResult',
    holds(async (recipe) => {
      const { dagId } = await handoff().execute(dagOf({ id: 'a', code: d.build, extraArgs: [recipe] }));
      return measure(await handoff().getResult(dagId, 'a', { timeout: 120_000 }));
    }),
  );
});

describe('an actor', () => {
  it('takes and gives values of any shape and depth, also from functions', async () => {
    const actor = await handoff().spawn(d.Echo, { name: 'echo' });
    await fc.assert(
      fc.asyncProperty(recipes, async (recipe) => {
        expect(measure(await actor.ask.echo(build(recipe)))).toEqual(recipe);
        expect(await resultOf({ id: 'a', code: d.askBack, extraArgs: ['echo', recipe] })).toEqual(recipe);
      }),
      { numRuns: 4 },
    );
    await actor.stop();
  });

  it('is created with them, and again after a crash', async () => {
    const actor = await handoff().spawn(d.Echo, { args: [build(deep)] });
    expect(await actor.ask.measure()).toEqual(deep);
    const other: Recipe = [['map', 3000]];
    await actor.ask.keep(build(other));
    expect((await errorOf(actor.ask.die())).code).toBe('WORKER_CRASHED');
    expect(await actor.ask.measure()).toEqual(other);
    await actor.stop();
  });

  it('throws errors that hold them', async () => {
    const actor = await handoff().spawn(d.Echo);
    const error: any = await actor.ask.fail(deep).catch((thrown: unknown) => thrown);
    expect(measure(error.value)).toEqual(deep);
    await actor.stop();
  });

  it('fails an unreadable answer, and nothing else', async () => {
    const actor = await handoff().spawn(d.Echo);
    const asked = [actor.ask.echo(1), actor.ask.surprise([['field', 4000]]), actor.ask.echo(2)];
    expect(await asked[0]).toBe(1);
    expect((await errorOf(asked[1]!)).code).toBe('NOT_SERIALIZABLE');
    expect(await asked[2]).toBe(2);
    await actor.stop();
  });
});

describe('a long chain of causes', () => {
  it('arrives as far as errors represent it', async () => {
    expect((await resultOf({ id: 'a', code: d.causes, extraArgs: [5000] })).message).toBe('cause 4999');
    expect((await errorOf(resultOf({ id: 'a', code: d.throwCauses, extraArgs: [5000] }))).cause).toMatchObject({
      message: 'cause 4999',
    });
    const actor = await handoff().spawn(d.Echo);
    expect(await actor.ask.echo(causes(5000))).toMatchObject({ message: 'cause 4999' });
    await actor.stop();
  });
});

function causes(count: number): Error {
  let error: Error | undefined;
  for (let k = 0; k < count; k++) error = new Error(`cause ${k}`, { cause: error });
  return error!;
}

describe('a result that turns out to be unreadable', () => {
  it('fails its function with NOT_SERIALIZABLE, and nothing else', async () => {
    const others = Array.from({ length: 20 }, (_, i) => ({ id: `f${i}`, code: t.constant, extraArgs: [i] }));
    const dag = dagOf(
      ...others.slice(0, 10),
      { id: 'bad', code: d.surprise, extraArgs: [[['field', 4000]], 100] },
      ...others.slice(10),
      { id: 'all', code: t.collect, args: others.map(({ id }) => id) },
    );
    const error: any = await errorOf(handoff().execute(dag, { failurePolicy: 'continue' }));
    expect(error).toMatchObject({
      code: 'FUNCTION_FAILED',
      functionId: 'bad',
      attempts: 1,
      cause: { code: 'NOT_SERIALIZABLE', path: 'result' },
    });
    expect(error.failures).toHaveLength(1);
    expect(error.results.all).toEqual(others.map((_, i) => i));
    expect(await resultOf({ id: 'next', code: t.one })).toBe(1);
  });

  it('fails its run with NOT_SERIALIZABLE when it is read from shared memory', async () => {
    const error = await errorOf(resultOf({ id: 'bad', code: d.surprise, extraArgs: [[['field', 4000]], 20_000] }));
    expect(error).toMatchObject({ code: 'NOT_SERIALIZABLE', functionId: 'bad' });
  });
});
