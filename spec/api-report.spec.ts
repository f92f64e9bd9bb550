/** The report of public types, which shows in review what changes for users. */
import { describe, expect, it } from 'vitest';
import { apiReport } from './support/api-report.ts';

const files = {
  'index.d.ts': 'import { a as b } from "./types-x.js";\nexport { type b as B, c as C };',
  'task.d.ts': '/** Doc. */\nexport declare function f(x: number): void;\nexport {};',
  'types-x.d.ts': [
    'interface Z {',
    '  /**',
    '   * Ms.',
    '   */',
    '  readonly late: number; // a comment',
    '}',
    'declare const alpha: 1;',
    'export { Z as a };',
  ].join('\n'),
};

describe('the report of the public types', () => {
  it('lists what each entry exports, and all declarations by name, without comments', () => {
    expect(apiReport(files).split('\n').slice(1)).toEqual([
      '// handoffjs/task: f',
      '// handoffjs: B, C',
      '',
      'interface Z {',
      '  readonly late: number;',
      '}',
      'declare const alpha: 1;',
      'export declare function f(x: number): void;',
      '',
    ]);
  });

  it('stays the same when only docstrings change or a declaration moves to another part', () => {
    const moved = {
      'index.d.ts': files['index.d.ts'],
      'task.d.ts': files['task.d.ts'].replace('Doc', 'Other'),
      'types-y.d.ts': 'declare const alpha: 1;',
      'types-x.d.ts': files['types-x.d.ts'].replace('declare const alpha: 1;\n', ''),
    };
    expect(apiReport(moved)).toBe(apiReport(files));
  });

  it('differs when a type does', () => {
    const changed = { ...files, 'types-x.d.ts': files['types-x.d.ts'].replace('late: number', 'late?: number') };
    expect(apiReport(changed)).not.toBe(apiReport(files));
  });
});
