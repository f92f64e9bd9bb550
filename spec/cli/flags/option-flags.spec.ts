/** What help says of a flag is what the schema says of the option that the flag sets. */
import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { flagsGiven, optionFlag, options, plain } from '../../../lib/cli/flags/option-flags.ts';
import { createProgram } from '../../../lib/cli/program.ts';
import { boolean, milliseconds, text } from '../../../lib/core/option-types.ts';
import { aboutOf, option } from '../../../lib/core/options.ts';
import { sentenceOf } from '../../../lib/core/option-text.ts';

const commandsBelow = (command: Command): Command[] => [command, ...command.commands.flatMap(commandsBelow)];
const commands = commandsBelow(createProgram(() => {}));
const helpOf = (flag: string): string[] => [
  ...new Set(commands.flatMap((each) => each.options.filter(({ long }) => long === flag).map((o) => o.description))),
];

const entries = Object.entries(options).flatMap(([set, all]) =>
  Object.entries(all).map(([name, entry]) => ({ name: `${set}.${name}`, entry, about: aboutOf(entry) })),
);
// A flag that sets a part of an option, or two options at once, has a text of its own.
const own = /^--(no-|listen$|tls-|nats-(ca|cert|key)$)/;
const inSchemas = [...new Set(entries.flatMap(({ about }) => about.flags ?? []))].filter((flag) => !own.test(flag));
const sentencesOf = (flag: string): string[] =>
  entries
    .filter(({ about }) => about.flags?.includes(flag))
    .map(({ entry }) =>
      plain(sentenceOf(entry))
        .replace(/\.$/, '')
        .replace(/^Whether /, '')
        .toLowerCase(),
    );

describe('help', () => {
  it.each(inSchemas)('says of %s what the schema says of an option that it sets', (flag) => {
    const said = helpOf(flag).map((help) => help.toLowerCase());
    expect(said.length).toBeGreaterThan(0);
    for (const help of said)
      expect(
        sentencesOf(flag).some((sentence) => help.includes(sentence)),
        `${flag}: ${help}`,
      ).toBe(true);
  });

  it('has no flag by the name of an option that does not say so in its schema', () => {
    const declared = new Set(entries.flatMap(({ about }) => about.flags ?? []));
    const names = new Set(entries.map(({ name }) => name.slice(name.indexOf('.') + 1)));
    const silent = commands.flatMap((command) =>
      command.options
        .filter((each) => names.has(each.attributeName()) && !declared.has(each.long!))
        .map(({ long }) => `${command.name()} ${long}`),
    );
    expect(silent).toEqual([]);
  });
});

describe('the flag of an option', () => {
  it.each([
    [
      'a value with a unit and a default',
      '--pause <ms>',
      milliseconds,
      { default: 5 },
      {},
      'time between rounds, in ms; default: 5 ms',
    ],
    ['a switch', '--fast', boolean, { default: false }, {}, 'rounds are short'],
    ['a file', '--name-file <file>', text(), {}, { isFile: true }, 'file with the name'],
    [
      'what differs',
      '--name <name>',
      text(),
      { default: 'x' },
      { more: 'more', otherwise: 'y' },
      'the name; more; default: y',
    ],
  ])('has the words of the option: %s', (_, flags, type, about, form, expected) => {
    const descriptions: Record<string, string> = {
      '--pause <ms>': 'Time between `rounds`',
      '--fast': 'Whether rounds are short.',
    };
    const entry = option(type as never, { description: descriptions[flags] ?? "The `'name'`.", ...about } as never);
    expect(optionFlag(flags, entry, form).description).toBe(expected);
  });
});

describe('an error about an option', () => {
  it.each([
    ['allocationStrategy', ['run', 'x.ts', '--strategy', 'fast'], ['--strategy']],
    ['maxRetries', ['run', 'x.ts', '--max-retries=-1'], ['--max-retries']],
    ['port', ['dashboard', '--port', '1', '--listen', '127.0.0.1:0'], ['--listen', '--port']],
    ['allocationStrategy', ['run', 'x.ts'], []],
    ['allocationStrategy', ['run', 'x.ts', '--', '--strategy'], []],
    ['toString', ['run'], []],
    [undefined, ['run'], []],
  ])('names the flags that set %s among %j', (name, argv, expected) => {
    expect(flagsGiven(name, argv).sort()).toEqual(expected);
  });
});
