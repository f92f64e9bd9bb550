/**
 * `handoff completion`: prints a completion script for bash, zsh or fish. The script contains all commands and flags,
 * so that the tab key starts no process and evaluates nothing of what was typed.
 */
import type { Command, Option } from 'commander';
import { UsageError } from '../exit.ts';

export const shells = ['bash', 'zsh', 'fish'] as const;

/** What a flag takes: nothing, one of some words, a file, or free text that cannot be completed. */
type Value =
  { readonly kind: 'none' | 'file' | 'free' } | { readonly kind: 'words'; readonly words: readonly string[] };

interface Flag {
  readonly name: string;
  readonly description: string;
  readonly value: Value;
}

interface CommandInfo {
  readonly name: string;
  readonly description: string;
  readonly flags: readonly Flag[];
  readonly argument: Value;
}

/**
 * @param program with all commands
 * @param shell `bash`, `zsh` or `fish`
 * @throws `UsageError` for another shell
 */
export function completionScript(program: Command, shell: string): string {
  const commands = program.commands.map(infoOf);
  switch (shell as (typeof shells)[number]) {
    case 'bash':
      return bash(program.name(), commands);
    case 'zsh':
      return zsh(program.name(), commands);
    case 'fish':
      return fish(program.name(), commands);
    default:
      throw new UsageError(`There is no completion for ${JSON.stringify(shell)}. Shells: ${shells.join(', ')}.`);
  }
}

function infoOf(command: Command): CommandInfo {
  const flags = command.options
    .filter(({ long, hidden }) => long !== undefined && long !== null && !hidden)
    .map((option) => ({ name: option.long!.slice(2), description: option.description, value: valueOf(option) }));
  const [first] = command.registeredArguments;
  const argument: Value =
    first === undefined
      ? { kind: 'none' }
      : first.argChoices === undefined
        ? { kind: 'file' }
        : { kind: 'words', words: first.argChoices };
  return {
    name: command.name(),
    description: command.description(),
    flags: [...flags, { name: 'help', description: 'display help for command', value: { kind: 'none' } }],
    argument,
  };
}

function valueOf({ flags, required, argChoices }: Option): Value {
  if (!required) return { kind: 'none' }; // an optional value is not completed
  if (argChoices !== undefined) return { kind: 'words', words: argChoices };
  return { kind: /<(?:file|dir)>/.test(flags) ? 'file' : 'free' };
}

function bash(name: string, commands: readonly CommandInfo[]): string {
  // Without a reply, bash completes file names by itself.
  const reply = (words: readonly string[]): string => `COMPREPLY=($(compgen -W '${words.join(' ')}' -- "$cur"))`;
  const actions: Readonly<Record<Value['kind'], string>> = {
    none: '',
    words: '',
    file: 'return',
    free: 'compopt +o default; return',
  };
  const values = commands.flatMap((command) =>
    command.flags.flatMap(({ name: flag, value }) => {
      if (value.kind === 'none') return [];
      return [
        `    '${command.name} --${flag}') ${value.kind === 'words' ? `${reply(value.words)}; return` : actions[value.kind]} ;;`,
      ];
    }),
  );
  const rest = commands.map(({ name: command, flags, argument }) => {
    const otherwise =
      argument.kind === 'words' ? reply(argument.words) : argument.kind === 'none' ? 'compopt +o default' : ':';
    return `    ${command}) if [[ $cur == -* ]]; then ${reply(flags.map((flag) => `--${flag.name}`))}; else ${otherwise}; fi ;;`;
  });
  return [
    `# Completion of ${name} for bash: source <(${name} completion bash)`,
    `_${name}() {`,
    '  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[1]}',
    '  COMPREPLY=()',
    `  if ((COMP_CWORD == 1)); then ${reply(commands.map((command) => command.name))}; return; fi`,
    '  case "$command $prev" in',
    ...values,
    '  esac',
    '  case "$command" in',
    ...rest,
    '  esac',
    '}',
    `complete -o default -F _${name} ${name}`,
    '',
  ].join('\n');
}

function zsh(name: string, commands: readonly CommandInfo[]): string {
  const text = (description: string): string =>
    description.replace(/[\\[\]:]/g, String.raw`\$&`).replaceAll("'", "'\\''");
  const action = (value: Value): string =>
    value.kind === 'words' ? `(${value.words.join(' ')})` : value.kind === 'file' ? '_files' : ' ';
  const cases = commands.map((command) =>
    [
      `    ${command.name})`,
      '      _arguments \\',
      ...command.flags.map(
        ({ name: flag, description, value }) =>
          `        '--${flag}[${text(description)}]${value.kind === 'none' ? '' : `:value:${action(value)}`}' \\`,
      ),
      `        '*:argument:${command.argument.kind === 'none' ? ' ' : action(command.argument)}' ;;`,
    ].join('\n'),
  );
  return [
    `#compdef ${name}`,
    `# Completion of ${name} for zsh: source <(${name} completion zsh), after compinit; or as a file _${name} in a folder of $fpath`,
    `_${name}() {`,
    '  local -a commands=(',
    ...commands.map((command) => `    '${command.name}:${text(command.description)}'`),
    '  )',
    '  if (( CURRENT == 2 )); then _describe command commands; return; fi',
    '  local command=$words[2]',
    '  shift words; (( CURRENT-- ))',
    '  case $command in',
    ...cases,
    '  esac',
    '}',
    `if [[ $funcstack[1] == _${name} ]]; then _${name} "$@"; else compdef _${name} ${name}; fi`,
    '',
  ].join('\n');
}

function fish(name: string, commands: readonly CommandInfo[]): string {
  const quoted = (text: string): string => `'${text.replace(/[\\']/g, String.raw`\$&`)}'`;
  const action = (value: Value): string =>
    value.kind === 'words'
      ? ` -x -a ${quoted(value.words.join(' '))}`
      : value.kind === 'file'
        ? ' -r -F'
        : value.kind === 'free'
          ? ' -x'
          : '';
  return [
    `# Completion of ${name} for fish: ${name} completion fish | source`,
    `complete -c ${name} -f`,
    ...commands.map(
      (command) => `complete -c ${name} -n __fish_use_subcommand -a ${command.name} -d ${quoted(command.description)}`,
    ),
    ...commands.flatMap((command) => {
      const of = `complete -c ${name} -n ${quoted(`__fish_seen_subcommand_from ${command.name}`)}`;
      const { argument } = command;
      return [
        ...command.flags.map(
          ({ name: flag, description, value }) => `${of} -l ${flag}${action(value)} -d ${quoted(description)}`,
        ),
        ...(argument.kind === 'file'
          ? [`${of} -F`]
          : argument.kind === 'words'
            ? [`${of} -a ${quoted(argument.words.join(' '))}`]
            : []),
      ];
    }),
    '',
  ].join('\n');
}
