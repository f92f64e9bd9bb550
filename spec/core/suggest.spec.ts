import { describe, expect, it } from 'vitest';
import { nearest } from '../../lib/core/suggest.ts';
import { show } from '../../lib/core/show.ts';
import { textOf } from '../../lib/core/error-wire.ts';
import { whole } from '../../lib/core/option-types.ts';
import { option, optionSet, parseOptions } from '../../lib/core/options.ts';
import { Dag } from '../../lib/index.ts';
import { thrownBy } from '../support/handoff.ts';

const fields = ['id', 'args', 'code', 'extraArgs', 'cost', 'maxRetries', 'retryDelay', 'timeout', 'priority', 'node'];

describe('a suggestion', () => {
  it.each([
    ['gne', ['gen', 'load'], 'gen'],
    ['laod', ['gen', 'load'], 'load'],
    ['ba', ['ab'], 'ab'],
    ['Gen', ['gen'], 'gen'],
    ['genn', ['gen'], 'gen'],
    ['retries', fields, 'maxRetries'],
    ['attempts', fields, 'maxRetries'],
    ['deps', fields, 'args'],
    ['dependsOn', fields, 'args'],
    ['fn', fields, 'code'],
    ['resources', fields, 'cost'],
    ['timeoutMs', fields, 'timeout'],
    ['backoff', fields, 'retryDelay'],
    ['abortSignal', ['signal', 'timeout'], 'signal'],
    ['concurrency', ['maxConcurrency', 'collect'], 'maxConcurrency'],
    ['orders', ['clean_orders', 'load'], 'clean_orders'],
  ])('%s', (wrong, names, expected) => expect(nearest(wrong, names)).toBe(expected));

  it('is not made up where nothing is near, nor where two names hold the word', () => {
    expect(nearest('zebra', fields)).toBeUndefined();
    expect(nearest('xyz', ['gen'])).toBeUndefined();
    expect(nearest('orders', ['clean_orders', 'load_orders'])).toBeUndefined();
  });

  it('stands in the error of an option, a field and an id', () => {
    expect(
      thrownBy(() => parseOptions('f', optionSet({ maxRetries: option(whole(), { description: '' }) }), { retries: 1 }))
        .message,
    ).toContain('Did you mean "maxRetries"?');
    expect(
      thrownBy(() => new Dag().add({ id: 'a', code: { module: 'file:///m.js', export: 'f' }, retries: 2 } as never))
        .message,
    ).toContain('Did you mean "maxRetries"?');
    const check = new Dag()
      .add({ id: 'gen', code: { module: 'file:///m.js', export: 'f' } })
      .add({ id: 'b', args: ['gne'], code: { module: 'file:///m.js', export: 'f' } })
      .validate();
    expect(check).toMatchObject({ error: { code: 'MISSING_FUNCTION', suggestion: 'gen' } });
  });
});

describe('a thrown value as text', () => {
  it.each<[string, unknown, string]>([
    ['an error', new RangeError('far'), 'far'],
    ['a text', 'no', 'no'],
    ['an object', { status: 404, body: { why: 'gone' } }, "{ status: 404, body: { why: 'gone' } }"],
    ['a list', [1, 'x'], "[ 1, 'x' ]"],
    ['an object without a prototype', Object.assign(Object.create(null), { a: 1 }), 'a value without a text'],
    ['nothing', undefined, 'undefined'],
    ['what has a text of its own', { toString: () => 'mine' }, 'mine'],
    ['a Map', new Map([['a', 1]]), "Map(1) { 'a' => 1 }"],
  ])('%s', (_, value, expected) => expect(textOf(value)).toBe(expected));
});

describe('a value in a message', () => {
  it('is cut, whatever its size, and never throws', () => {
    const sparse: number[] = [];
    sparse[2e8] = 1;
    const looped: unknown[] = [];
    looped.push(looped);
    let deep: unknown = 1;
    for (let i = 0; i < 100_000; i++) deep = [deep];
    const trap = new Proxy(
      {},
      {
        get: () => {
          throw new Error('trapped');
        },
        ownKeys: () => {
          throw new Error('trapped');
        },
        has: () => {
          throw new Error('trapped');
        },
      },
    );
    for (const value of [
      sparse,
      looped,
      deep,
      trap,
      'x'.repeat(1e6),
      new Uint8Array(1e7),
      { sparse },
      Symbol('s'),
      1n,
      () => 1,
    ])
      expect(show(value).length).toBeLessThanOrEqual(120);
    expect(show({ cpu: NaN, big: 2n })).toBe('{"cpu":"NaN","big":"2n"}');
  });
});
