/** Flags that set an option of the library. What help says of them is the option's description in its schema. */
import { Option } from 'commander';
import { aboutOf } from '../../core/options.ts';
import { defaultOf, type Entry, sentenceOf } from '../../core/option-text.ts';
import { dashboardSchema } from '../../runtime/options/dashboard-options.ts';
import { executeSchema } from '../../runtime/options/execute-options.ts';
import { handoffSchema, nodeSchema } from '../../runtime/options/handoff-options.ts';
import { planSchema } from '../../runtime/options/plan-options.ts';
import { natsTransportSchema, tcpTransportSchema } from '../../runtime/options/transport-options.ts';

/** The options of the library, by the names that `optionFlag` is given. */
export const options = {
  start: handoffSchema.entries,
  node: nodeSchema.entries,
  execute: executeSchema.entries,
  plan: planSchema.entries,
  tcp: tcpTransportSchema.entries,
  nats: natsTransportSchema.entries,
  dashboard: dashboardSchema.entries,
};

/** How a flag differs from the option that it sets. */
export interface Form {
  /** Whether the flag names a file that holds the value. */
  readonly isFile?: boolean;
  /** What holds for the flag alone, in words that follow the description. */
  readonly more?: string;
  /** What applies without the flag, where that is not what applies without the option. Empty: help says nothing. */
  readonly otherwise?: string;
}

/** A flag of the command that sets an option. */
export function optionFlag(flags: string, entry: Entry, form: Form = {}): Option {
  return new Option(flags, helpOf(flags, entry, form));
}

function helpOf(flags: string, entry: Entry, { isFile = false, more, otherwise }: Form): string {
  const isSwitch = !/[<[]/.test(flags);
  const sentence = plain(sentenceOf(entry)).replace(/\.$/, '');
  const standard = otherwise ?? plain(defaultOf(entry) ?? '');
  return [
    `${isFile ? 'file with ' : ''}${lowered(isSwitch ? sentence.replace(/^Whether /, '') : sentence)}`,
    ...(more === undefined ? [] : [more]),
    ...(standard === '' || standard === 'false' ? [] : [`default: ${standard}`]),
  ].join('; ');
}

/** Text without the marks of code, which a terminal does not show. */
export function plain(text: string): string {
  return text.replaceAll(/`'([^'`]*)'`/g, '$1').replaceAll('`', '');
}

/** Text that begins with a small letter, unless its first word is an abbreviation. */
export function lowered(text: string): string {
  return /^[A-Z]{2}/.test(text) ? text : `${text[0]!.toLowerCase()}${text.slice(1)}`;
}

/**
 * The flags of this call that set an option, for errors that name the option.
 *
 * @param argv the arguments of the command
 */
export function flagsGiven(option: string | undefined, argv: readonly string[] = process.argv): string[] {
  const end = argv.indexOf('--');
  const given = (end < 0 ? argv : argv.slice(0, end)).map((each) => each.split('=', 1)[0]!);
  const flags = Object.values(options).flatMap((entries) => {
    const entry = Object.entries<Entry>(entries).find(([name]) => name === option)?.[1];
    return entry === undefined ? [] : (aboutOf(entry).flags ?? []);
  });
  return [...new Set(flags)].filter((flag) => given.includes(flag));
}
