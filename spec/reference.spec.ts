/** The reference in the docs is what the code says, and shell commands in the docs use flags that exist. */
import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { createProgram } from '../lib/cli/program.ts';
import { eventTypes } from '../lib/events/events.ts';
import { commandTables, eventTable, reference } from './support/reference.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

describe('what is generated from the code', () => {
  it('is up to date (run npm run docs:reference)', async () => {
    for (const [file, { is, mustBe }] of await reference()) expect(is, file).toBe(mustBe);
  });

  it('has a row for each event', async () => {
    const { is } = (await reference()).get('.github/docs/reference/events.md')!;
    expect([...is.matchAll(/^\| `([\w:-]+)` \|/gm)].map(([, type]) => type)).toEqual([...eventTypes]);
  });

  it('says of an event what it carries, from all parts of its type', () => {
    const source = [
      'interface Common { readonly at: number }',
      'interface OfRun extends Common { readonly runId: string }',
      'export type HandoffEvent =',
      '  /** It',
      '   * began. */',
      "  | (OfRun & { readonly type: 'run:began'; readonly a: 'x' | 'y' })",
      '  /** Off | on. */',
      "  | (Common & { readonly type: 'off' });",
    ].join('\n');
    expect(eventTable(source)).toBe(
      [
        '| event | carries | |',
        '|---|---|---|',
        '| `run:began` | `runId`, `a` | It began. |',
        '| `off` | | Off \\| on. |',
        '',
      ].join('\n'),
    );
    expect(() => eventTable(source.replace('/** Off | on. */', ''))).toThrow('off has no docstring');
  });

  it('has a section for each command, also for those within another', () => {
    const program = new Command('tool');
    program.command('go').description('go there').argument('<where>').option('-f, --fast', 'at once');
    program.command('store').command('clean').description('empty the store');
    expect(commandTables(program)).toBe(
      [
        '### tool go',
        '',
        '`tool go <where>`',
        '',
        'Go there.',
        '',
        '| flag | |',
        '|---|---|',
        '| `-f, --fast` | at once |',
        '',
        '### tool store clean',
        '',
        '`tool store clean`',
        '',
        'Empty the store.',
        '',
      ].join('\n'),
    );
  });
});

describe('commands in the docs', () => {
  const pages = globSync(['*.md', '.github/*.md', '.github/docs/**/*.md', 'examples/**/*.md'], { cwd: root });
  const lines = pages.flatMap((page) =>
    [...readFileSync(`${root}${page}`, 'utf8').matchAll(/^```sh\n([\s\S]*?)^```$/gm)]
      .flatMap(([, block]) => block!.replaceAll('\\\n', ' ').split('\n'))
      .filter((line) => /^(npx )?handoff /.test(line))
      .map((line) => [page, line] as const),
  );

  it('are found', () => expect(lines.length).toBeGreaterThan(10));

  it.each(lines)('%s: %s', (_, line) => {
    const words = line
      .replace(/^npx /, '')
      .replace(/ [#>|].*$/, '')
      .split(/\s+/)
      .slice(1);
    let command = createProgram(() => {});
    for (let next: Command | undefined = command; next !== undefined;) {
      command = next;
      next = command.commands.find((each) => each.name() === words[0]);
      if (next !== undefined) words.shift();
    }
    expect(command.commands, `an unknown command: ${words[0]}`).toEqual([]);
    for (const word of words.filter((each) => each.startsWith('--') && each !== '--'))
      expect(command.options.map(({ long }) => long)).toContain(word.split('=')[0]);
  });
});
