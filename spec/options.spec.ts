/** The option tables of the reference and the docstrings of options are those of the schemas. */
import { describe, expect, it } from 'vitest';
import { number, text, whole } from '../lib/core/option-types.ts';
import { option, optionSet, required } from '../lib/core/options.ts';
import { generated, tableOf, withDocstrings } from './support/options.ts';

describe('what is generated from the schemas of options', () => {
  it.each([...generated()])('is up to date in %s (run npm run docs:options)', (_, { is, mustBe }) => {
    expect(is).toBe(mustBe);
  });

  const schema = optionSet({
    name: required(text(), { description: 'The name.' }),
    pause: option(number({ unit: 'ms' }), { description: 'Time between | rounds', default: 1000, flags: ['--pause'] }),
    budget: option(whole({ unit: 'bytes' }), { description: 'Limit', details: 'More.', default: 2 ** 20 }),
    color: option(text(), { description: 'The color.', otherwise: 'that of the parent', environment: ['COLOR'] }),
  });

  it('is a table with default, environment and flag, where there are any', () => {
    expect(tableOf('f', schema)).toBe(
      [
        '| option of `f` | default | environment | flag | |',
        '|---|---|---|---|---|',
        '| `name` | required | | | The name. |',
        '| `pause` | 1,000 ms | | `--pause` | Time between \\| rounds, in ms. |',
        '| `budget` | 1 MiB | | | Limit, in bytes. |',
        '| `color` | that of the parent | `COLOR` | | The color. |',
        '',
      ].join('\n'),
    );
  });

  it('is the docstring of each field, in place of the one before', () => {
    const source = [
      'export interface F {',
      '  /** Old. */',
      '  readonly budget?: number;',
      '  readonly color?: string;',
      '}',
      '',
    ].join('\n');
    const written = withDocstrings('f.ts', source, { F: schema });
    expect(written).toBe(
      [
        'export interface F {',
        '  /** Limit, in bytes. More. Default 1 MiB. */',
        '  readonly budget?: number;',
        '  /** The color. Default: that of the parent. Environment: `COLOR`. */',
        '  readonly color?: string;',
        '}',
        '',
      ].join('\n'),
    );
    expect(withDocstrings('f.ts', written, { F: schema })).toBe(written);
    expect(() => withDocstrings('f.ts', source.replace('color', 'colour'), { F: schema })).toThrow('no F.colour');
  });
});
