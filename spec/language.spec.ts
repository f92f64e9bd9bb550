/** What `npm run check:language` finds, and what it leaves alone. */
import { describe, expect, it } from 'vitest';
import { faultsOf } from './support/language.ts';

describe('the check of language', () => {
  it('finds banned words in comments, texts and template texts, with their lines', () => {
    const source = [
      '/** Whoever calls. */',
      "const a = 'is told';",
      'const b = `${a} and nobody`;',
      'interface C {',
      '  /** Starts',
      '   * anew. */',
      '  d: 1;',
      '}',
    ].join('\n');
    expect(faultsOf('a.ts', source)).toEqual([
      { line: 1, words: 'Whoever' },
      { line: 2, words: 'told' },
      { line: 3, words: 'nobody' },
      { line: 6, words: 'anew' },
    ]);
  });

  it('finds a phrase that a line break splits', () => {
    expect(faultsOf('a.ts', '/**\n * One had\n * better wait.\n */')).toEqual([{ line: 2, words: 'had better' }]);
  });

  it('leaves names alone: identifiers, literals without a space, and code in backticks', () => {
    expect(faultsOf('a.ts', "const told = 'told'; // as in `Told`")).toEqual([]);
    expect(faultsOf('a.md', 'See `told` for what `tell` of it says.')).toEqual([]);
  });

  it('reads Markdown and style sheets whole', () => {
    expect(faultsOf('a.md', 'One\n\nNobody asks.')).toEqual([{ line: 3, words: 'Nobody' }]);
  });
});
